# What the keystore tests share: support.c, and the oracle that asks the JDK, compiled once.
find_program(JAVAC javac)
if(JAVAC AND EXISTS /usr/share/java/bcprov.jar)
  set(oracle_dir ${CMAKE_CURRENT_BINARY_DIR}/keystore-oracle)
  set(oracle_source ${CMAKE_CURRENT_SOURCE_DIR}/standins/KeystoreOracle.java)
  add_custom_command(
    OUTPUT ${oracle_dir}/KeystoreOracle.class
    COMMAND ${JAVAC} --add-exports java.base/sun.security.tools.keytool=ALL-UNNAMED -d ${oracle_dir} ${oracle_source}
    DEPENDS ${oracle_source})
  set(maker_source ${CMAKE_CURRENT_SOURCE_DIR}/standins/BcfksMaker.java)
  add_custom_command(
    OUTPUT ${oracle_dir}/BcfksMaker.class
    COMMAND ${JAVAC} -cp /usr/share/java/bcprov.jar -d ${oracle_dir} ${maker_source}
    DEPENDS ${maker_source})
  add_custom_target(keystore_oracle DEPENDS ${oracle_dir}/KeystoreOracle.class ${oracle_dir}/BcfksMaker.class)
endif()

foreach(module jks jceks pkcs12 pkcs12_hostile pkcs12_java flat identify p7b zip bcfks differential models keytool preserve hostile jks_java)
  if(TARGET unit_keystores_${module})
    target_sources(unit_keystores_${module} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit/keystores/support.c)
    if(TARGET keystore_oracle)
      target_compile_definitions(unit_keystores_${module} PRIVATE KEYSTORE_ORACLE="${oracle_dir}")
      add_dependencies(unit_keystores_${module} keystore_oracle)
    endif()
  endif()
endforeach()
