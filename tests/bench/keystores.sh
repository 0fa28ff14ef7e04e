#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# keystores.sh - read and rewrite keystores of 1, 150 and 10,000 entries against cold keytool, a warm JVM and openssl.
# Sourced by run.sh, which has row(), limit(), cpu(), and $bin, $work, $top, $smoke.
#
# Whole processes, by CPU and by the clock (the least of the rounds); "floor" rows are what a process with our libraries
# takes that does nothing. The JVM writes the stores that are read.
# shellcheck disable=SC2154 # those

keystore_sizes=(1 150 10000)
keystore_rounds=5

# DIRECTORY: certificates (self-signed, as in a trust store) and the key of the first.
keystore_material() {
	cat >"$work/material.py" <<-'END'
		import datetime, sys
		from cryptography import x509
		from cryptography.hazmat.primitives import hashes, serialization
		from cryptography.hazmat.primitives.asymmetric import ec
		from cryptography.x509.oid import NameOID
		directory, n = sys.argv[1], int(sys.argv[2])
		key = ec.generate_private_key(ec.SECP256R1())
		open(directory + "/key.der", "wb").write(key.private_bytes(
		    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
		start = datetime.datetime(2025, 1, 1)
		for i in range(n + 1):
		    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Trust Services"),
		                      x509.NameAttribute(NameOID.COMMON_NAME, "Root %d" % i)])
		    c = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
		    c = c.serial_number(1000 + i).not_valid_before(start).not_valid_after(start + datetime.timedelta(9000))
		    c = c.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
		    der = c.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
		    open("%s/%d.der" % (directory, i), "wb").write(der)
	END
	python3 -W ignore "$work/material.py" "$1" "${keystore_sizes[-1]}"
}

jvm() { java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC --add-exports java.base/sun.security.tools.keytool=ALL-UNNAMED -cp "$work/ks" KeystoreOracle; }

keystore_files() { # one key entry, or a trust store
	local type n i
	for type in JKS PKCS12; do
		for n in "${keystore_sizes[@]}"; do
			printf 'new\t%s\n' $type
			if [ "$n" -eq 1 ]; then
				printf 'key\tweb\tchangeit\t%s/key.der\t%s/0.der\n' "$work/ks" "$work/ks"
			else
				for ((i = 0; i < n; i++)); do printf 'trusted\troot-%d\t%s/%d.der\n' "$i" "$work/ks" "$i"; done
			fi
			printf 'save\t%s/%s-%d\tchangeit\n' "$work/ks" $type "$n"
		done
	done | jvm >"$work/ks/written"
	[ ! -s "$work/ks/written" ] || { cat "$work/ks/written" >&2 && exit 1; }
}

# TYPE N COMMANDS: CPU of one round of them in a JVM that has done them often; each line is a command of the oracle.
keystore_warm() {
	local i many=40 few=20 all less
	[ "$2" -lt 10000 ] || { many=9 few=6; }
	for ((i = 0; i < many; i++)); do printf '%s\n' "$3"; done >"$work/ks/many"
	for ((i = 0; i < few; i++)); do printf '%s\n' "$3"; done >"$work/ks/few"
	printf '#!/bin/bash\nexec %s\n' "java -XX:+UseSerialGC --add-exports java.base/sun.security.tools.keytool=ALL-UNNAMED -cp $work/ks KeystoreOracle" >"$work/ks/warm"
	chmod +x "$work/ks/warm"
	{ read -r all _ && read -r less _; } < <(cpu 1 "@$work/ks/many" "$work/ks/warm" -- "@$work/ks/few" "$work/ks/warm")
	awk -v a="$all" -v b="$less" -v n=$((many - few)) 'BEGIN { d = (a - b) / n; printf("%.6f", (d > 1e-6) ? d : 1e-6) }'
}

keystore_row() { # TYPE N
	local type=$1 n=$2 file=$work/ks/$1-$2 name words rounds=$keystore_rounds rss wall peer_wall floor ours peer ssl
	local goal=- wall_goal=- openssl=(true)
	[ "$type" != PKCS12 ] || openssl=(openssl pkcs12 -in "$file" -passin pass:changeit -nokeys)
	name=${type,,}-$n
	words=(--password-ref wellKnown:changeit)
	case $name in
	pkcs12-1) goal=0.0333 wall_goal=0.0333 ;;
	jks-150) goal=0.0167 wall_goal=0.0167 ;;
	pkcs12-10000) goal=0.025 ;;
	esac
	[ "$n" -lt 10000 ] || rounds=1
	{ read -r ours rss wall && read -r _ _ floor && read -r peer _ peer_wall && read -r ssl _; } < <(cpu "$rounds" \
		"$bin/certwright" keystore list "$file" "${words[@]}" -- \
		"$bin/bench_empty" -- \
		keytool -list -keystore "$file" -storepass changeit -- \
		"${openssl[@]}" 2>"$work/ks/said")
	row "read-$name-wall" "$wall" "$peer_wall" $wall_goal
	row "read-$name-floor" "$floor" "$peer_wall" -
	row "read-$name" "$ours" "$peer" $goal
	row "read-$name-jvm" "$ours" "$(keystore_warm "$type" "$n" "open	$type	$file	changeit")" -
	[ "$type" != PKCS12 ] || row "read-$name-openssl" "$ours" "$ssl" -
	[ "$n" -lt 10000 ] || limit "read-$name-memory" "$rss" KB $((4 * $(stat -c %s "$file") / 1024 + 10240))
	cp "$file" "$file.ours" && cp "$file" "$file.peer"
	{ read -r ours rss wall && read -r peer _ peer_wall; } < <(cpu "$rounds" \
		"$bin/certwright" keystore import "$file.ours" "$work/ks/10000.der" --as "new-{n}" "${words[@]}" -- \
		keytool -importcert -noprompt -keystore "$file.peer" -storepass changeit -alias "new-{n}" -file "$work/ks/10000.der" 2>"$work/ks/said")
	row "write-$name-wall" "$wall" "$peer_wall" -
	row "write-$name" "$ours" "$peer" -
	[ "$n" -lt 10000 ] || limit "write-$name-memory" "$rss" KB $((4 * $(stat -c %s "$file") / 1024 + 10240))
	row "write-$name-jvm" "$ours" "$(keystore_warm "$type" "$n" "$(printf 'open\t%s\t%s\tchangeit\ntrusted\tnew\t%s/10000.der\nsave\t%s.jvm\tchangeit' \
		"$type" "$file" "$work/ks" "$file")")" -
}

keystores() {
	local type n
	if [ -n "$smoke" ] || ! command -v javac >/dev/null || ! command -v openssl >/dev/null; then
		echo "keystores: left out: a JVM takes too long, or is not installed" >&2
		return
	fi
	mkdir "$work/ks"
	javac --add-exports java.base/sun.security.tools.keytool=ALL-UNNAMED -d "$work/ks" "$top/tests/standins/KeystoreOracle.java"
	keystore_material "$work/ks"
	keystore_files
	for type in JKS PKCS12; do
		for n in "${keystore_sizes[@]}"; do keystore_row $type "$n"; done
	done
}
