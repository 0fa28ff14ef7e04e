/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KeystoreOracle - what the JDK (and BouncyCastle, when it is on the class path) makes of a
 * keystore. One virtual machine answers many questions: a cold keytool costs half a second each.
 *
 * Commands come on standard input, one per line, arguments separated by tabs; "-" as a password is
 * none. Answers go to standard output in the form that tests/unit/keystores/support.c gives our own
 * reading, so that the two can be compared as text.
 *
 *   prop NAME VALUE                      security property (empty VALUE: back to the default)
 *   new TYPE                             an empty store; "BC-PKCS12" is BouncyCastle's
 *   open TYPE FILE STOREPW               continue with a file
 *   key ALIAS KEYPW KEY.der CERT.der,... add
 *   trusted ALIAS CERT.der
 *   secret ALIAS KEYPW                   an AES key
 *   secretkey ALIAS KEYPW ALGORITHM      one from the SecretKeyFactory, or else as it is named
 *   delete ALIAS
 *   save FILE STOREPW
 *   load TYPE FILE STOREPW KEYPW         print the entries
 *   echo TEXT
 *   keytool ARG ...                      the real one, in this process
 */
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import javax.crypto.SecretKey;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.DESKeySpec;
import javax.crypto.spec.DESedeKeySpec;
import javax.crypto.spec.SecretKeySpec;

public final class KeystoreOracle {
	private static PrintStream out;
	private static KeyStore store;

	private static char[] password(String s) {
		return s.equals("-") ? null : s.toCharArray();
	}

	private static KeyStore instance(String type) throws Exception {
		if (!type.startsWith("BC-")) {
			return KeyStore.getInstance(type);
		}
		if (Security.getProvider("BC") == null) {
			Class<?> c = Class.forName("org.bouncycastle.jce.provider.BouncyCastleProvider");
			Security.addProvider((java.security.Provider) c.getConstructor().newInstance());
		}
		return KeyStore.getInstance(type.substring(3), "BC");
	}

	private static KeyStore read(String type, String file, String pw) throws Exception {
		KeyStore ks = instance(type);
		try (FileInputStream in = new FileInputStream(file)) {
			ks.load(in, password(pw));
		}
		return ks;
	}

	private static Certificate certificate(String file) throws Exception {
		return CertificateFactory.getInstance("X.509").generateCertificate(
			new ByteArrayInputStream(Files.readAllBytes(Path.of(file))));
	}

	private static PrivateKey privateKey(String file) throws Exception {
		byte[] der = Files.readAllBytes(Path.of(file));
		for (String algorithm : new String[] { "EC", "RSA", "Ed25519" }) {
			try {
				return KeyFactory.getInstance(algorithm).generatePrivate(
					new PKCS8EncodedKeySpec(der));
			} catch (java.security.spec.InvalidKeySpecException e) {
				continue;
			}
		}
		throw new IllegalArgumentException(file);
	}

	private static String fingerprint(Certificate c) throws Exception {
		return HexFormat.of().formatHex(
			MessageDigest.getInstance("SHA-256").digest(c.getEncoded()));
	}

	private static boolean matches(PrivateKey key, Certificate leaf) throws Exception {
		String algorithm = switch (key.getAlgorithm()) {
			case "EC" -> "SHA256withECDSA";
			case "RSA" -> "SHA256withRSA";
			default -> key.getAlgorithm();
		};
		Signature s = Signature.getInstance(algorithm);
		s.initSign(key);
		s.update((byte) 1);
		byte[] signature = s.sign();
		s.initVerify(leaf.getPublicKey());
		s.update((byte) 1);
		return s.verify(signature);
	}

	private static String keyLine(KeyStore ks, String alias, String keyPw) throws Exception {
		Certificate[] chain = ks.getCertificateChain(alias);
		String verdict;
		try {
			Key key = ks.getKey(alias, password(keyPw));
			verdict = chain != null && matches((PrivateKey) key, chain[0]) ? "match" : "mismatch";
		} catch (java.security.UnrecoverableKeyException e) {
			verdict = "unreadable";
		}
		List<String> prints = new ArrayList<>();
		for (Certificate c : chain == null ? new Certificate[0] : chain) {
			prints.add(fingerprint(c));
		}
		return "key " + alias + " " + ks.getCreationDate(alias).getTime() + " " + verdict + " "
			+ String.join(",", prints);
	}

	private static String secretLine(KeyStore ks, String alias, String keyPw) throws Exception {
		try {
			Key key = ks.getKey(alias, password(keyPw));
			return "secret " + alias + " " + key.getAlgorithm() + " "
				+ HexFormat.of().formatHex(key.getEncoded());
		} catch (java.security.UnrecoverableKeyException e) {
			return "secret " + alias + " unreadable";
		}
	}

	private static void load(String type, String file, String pw, String keyPw) throws Exception {
		KeyStore ks = read(type, file, pw);
		List<String> aliases = Collections.list(ks.aliases());
		aliases.sort((a, b) -> Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8),
			b.getBytes(StandardCharsets.UTF_8)));
		for (String alias : aliases) {
			if (ks.isCertificateEntry(alias)) {
				String date = List.of("JKS", "JCEKS", "BC-BCFKS").contains(type)
					? Long.toString(ks.getCreationDate(alias).getTime()) : "-";
				out.println("trusted " + alias + " " + date + " "
					+ fingerprint(ks.getCertificate(alias)));
			} else if (ks.entryInstanceOf(alias, KeyStore.SecretKeyEntry.class)) {
				out.println(secretLine(ks, alias, keyPw));
			} else {
				out.println(keyLine(ks, alias, keyPw));
			}
		}
	}

	private static SecretKey secretKey(String algorithm) throws Exception {
		byte[] octets = "0123456789abcdef01234567".getBytes();
		SecretKeySpec spec = new SecretKeySpec(octets, algorithm);
		return switch (algorithm) {
			case "DES" -> SecretKeyFactory.getInstance("DES").generateSecret(
				new DESKeySpec(octets));
			case "DESede" -> SecretKeyFactory.getInstance("DESede").generateSecret(
				new DESedeKeySpec(octets));
			default -> spec;
		};
	}

	private static void key(String[] a) throws Exception {
		List<Certificate> chain = new ArrayList<>();
		for (String file : a[4].split(",")) {
			chain.add(certificate(file));
		}
		store.setKeyEntry(a[1], privateKey(a[3]), password(a[2]),
			chain.toArray(new Certificate[0]));
	}

	private static void save(String file, String pw) throws Exception {
		try (FileOutputStream o = new FileOutputStream(file)) {
			store.store(o, password(pw));
		}
	}

	private static void property(String name, String value) {
		Security.setProperty(name, value);
		if (value.isEmpty()) {
			System.clearProperty(name);
		} else {
			System.setProperty(name, value);
		}
	}

	private static void run(String[] a) throws Exception {
		switch (a[0]) {
			case "prop" -> property(a[1], a.length > 2 ? a[2] : "");
			case "new" -> {
				store = instance(a[1]);
				store.load(null, null);
			}
			case "open" -> store = read(a[1], a[2], a[3]);
			case "key" -> key(a);
			case "trusted" -> store.setCertificateEntry(a[1], certificate(a[2]));
			case "secret" -> store.setKeyEntry(a[1],
				new SecretKeySpec("0123456789abcdef".getBytes(), "AES"), password(a[2]), null);
			case "secretkey" -> store.setKeyEntry(a[1], secretKey(a[3]), password(a[2]), null);
			case "delete" -> store.deleteEntry(a[1]);
			case "save" -> save(a[1], a[2]);
			case "load" -> load(a[1], a[2], a[3], a[4]);
			case "echo" -> out.println(a[1]);
			case "keytool" -> sun.security.tools.keytool.Main.main(
				Arrays.copyOfRange(a, 1, a.length));
			default -> throw new IllegalArgumentException(a[0]);
		}
	}

	public static void main(String[] args) throws Exception {
		out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true,
			StandardCharsets.UTF_8);
		System.setOut(out);
		BufferedReader in = new BufferedReader(
			new InputStreamReader(System.in, StandardCharsets.UTF_8));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			try {
				run(line.split("\t"));
			} catch (Exception e) {
				out.println("error " + line.split("\t")[0] + " " + e.getMessage());
			}
		}
	}
}
