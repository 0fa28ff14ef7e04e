# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# fleet_of_servers.sh - sourced after lib.sh: real servers from Debian's packages, each on a port of its own with its
# configuration and data below $work/NAME, in the foreground of a child of ours, its pid in $work/NAME.pid.
#
# Each NAME_server takes PORT CHAIN KEY (PEM files) and returns once it listens. Those that refuse to run as root run as
# the user of their package when we are root, else as us.
# They listen on $at, an address of loopback.
# shellcheck disable=SC2154 # top, work: of lib.sh

at=127.0.0.1

root() { [ "$(id -u)" -eq 0 ]; }
as() { # USER COMMAND...
	local user=$1
	shift
	if root; then
		exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
	fi
	exec "$@"
}
owned_by() { # USER PATH...
	local user=$1
	shift
	if root; then
		chown -R "$user:$(id -g "$user")" "$@"
	fi
}
run_server() { # NAME PORT COMMAND...: in the background, until it listens
	local name=$1 port=$2
	shift 2
	("$@") >"$work/$name.log" 2>&1 </dev/null &
	echo $! >"$work/$name.pid"
	eventually 30 "$name listens on port $port" alive_and_listening "$name" "$port"
}
alive_and_listening() { # NAME PORT
	kill -0 "$(cat "$work/$1.pid")" 2>/dev/null || fail "$1 has ended: $(tail -n 20 "$work/$1.log")"
	(: <"/dev/tcp/$at/$2") 2>/dev/null
}

# Can NAME run here?
have_apache() { command -v apache2 >/dev/null; }
have_nginx() { command -v nginx >/dev/null; }
have_haproxy() { command -v haproxy >/dev/null; }
have_postfix() { root && [ -x /usr/lib/postfix/sbin/master ]; }
have_dovecot() { root && [ -d /usr/lib/dovecot ] && command -v dovecot >/dev/null; }
have_vsftpd() { command -v vsftpd >/dev/null; }
have_slapd() { command -v slapd >/dev/null; }
have_postgres() { [ -d /usr/lib/postgresql ]; }
have_mariadb() { command -v mariadbd >/dev/null; }
have_prosody() { command -v prosody >/dev/null; }
have_xrdp() { command -v xrdp >/dev/null; }
have_tds() { true; }

# lab_authority: $work/root.pem and an issuing CA below it, to sign what lab_leaf asks for.
lab_authority() {
	mkdir "$work/ca"
	: >"$work/ca/index"
	cat >"$work/ca/conf" <<-END
		[ca]
		default_ca = lab
		[lab]
		database = $work/ca/index
		new_certs_dir = $work/ca
		rand_serial = yes
		unique_subject = no
		policy = any
		default_md = sha256
		default_crl_days = 30
		copy_extensions = copy
		[any]
		commonName = optional
		[req]
		distinguished_name = dn
		[dn]
		[root]
		basicConstraints = critical,CA:TRUE
		keyUsage = critical,keyCertSign,cRLSign
		subjectKeyIdentifier = hash
		[leaf]
		keyUsage = digitalSignature,keyEncipherment
		extendedKeyUsage = serverAuth
		authorityKeyIdentifier = keyid
	END
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config "$work/ca/conf" -extensions root \
		-subj "/CN=Lab Root" -days 3650 -keyout "$work/root.key" -out "$work/root.pem" 2>/dev/null
	lab_sign issuing "/CN=Lab Issuing" "$work/root" -extensions root -days 3000
	cp "$work/issuing.pem" "$work/issuing.crt"
}
lab_sign() { # NAME SUBJECT SIGNER-STEM OPENSSL-CA-ARGUMENT...: NAME.pem, and NAME.key unless it is there
	local name=$1 subject=$2 by=$3
	shift 3
	[ -s "$work/$name.key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name.key"
	openssl req -new -config "$work/ca/conf" -key "$work/$name.key" -subj "$subject" -addext "subjectAltName=${names:-DNS:localhost}" \
		-out "$work/$name.csr"
	openssl ca -batch -config "$work/ca/conf" -cert "$by.pem" -keyfile "$by.key" -notext -in "$work/$name.csr" \
		-out "$work/$name.pem" "$@" 2>"$work/$name.ca" || fail "openssl ca: $(tail -n 3 "$work/$name.ca")"
	chmod 0644 "$work/$name.key"
}
# lab_leaf NAME [OPENSSL-CA-ARGUMENT...]: a server certificate for localhost with the chain behind it, for 90 days
lab_leaf() {
	local name=$1
	shift
	[ $# -gt 0 ] || set -- -days 90
	lab_sign "$name" "/CN=localhost" "$work/issuing" -extensions leaf "$@"
	cat "$work/issuing.crt" >>"$work/$name.pem"
}

apache_server() {
	local modules=/usr/lib/apache2/modules
	mkdir -p "$work/apache"
	cat >"$work/apache/conf" <<-END
		ServerRoot $work/apache
		ServerName localhost
		PidFile $work/apache/pid
		ErrorLog $work/apache/errors
		Listen $at:$1
		LoadModule mpm_event_module $modules/mod_mpm_event.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule ssl_module $modules/mod_ssl.so
		DocumentRoot $work/apache
		StartServers 1
		SSLEngine on
		SSLCertificateFile $2
		SSLCertificateKeyFile $3
	END
	if root; then
		printf 'User nobody\nGroup nogroup\n' >>"$work/apache/conf"
	fi
	run_server apache "$1" exec apache2 -D FOREGROUND -f "$work/apache/conf"
}

nginx_server() {
	nginx_conf nginx "$1" "$2" "$3"
	"$work/nginx-up"
	eventually 30 "nginx listens" listening "$1"
}

haproxy_server() {
	cat "$2" "$3" >"$work/haproxy.both"
	cat >"$work/haproxy.conf" <<-END
		defaults
		  mode tcp
		  timeout connect 2s
		  timeout client 10s
		  timeout server 10s
		frontend web
		  bind $at:$1 ssl crt $work/haproxy.both
	END
	run_server haproxy "$1" exec haproxy -q -db -f "$work/haproxy.conf"
}

# The master wants to be root: its own directories belong to the user of the package.
postfix_server() {
	local dir
	mkdir -p "$work/postfix/etc" "$work/postfix/data"
	for dir in active bounce corrupt defer deferred flush hold incoming pid private public saved trace; do
		mkdir -p "$work/postfix/queue/$dir"
	done
	cat >"$work/postfix/etc/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $work/postfix/queue
		data_directory = $work/postfix/data
		daemon_directory = /usr/lib/postfix/sbin
		maillog_file = $work/postfix/log
		maillog_file_prefixes = $work
		myhostname = localhost
		inet_interfaces = all
		inet_protocols = ipv4
		local_recipient_maps =
		alias_maps =
		smtpd_tls_chain_files = $3, $2
		smtpd_tls_security_level = may
	END
	cat >"$work/postfix/etc/master.cf" <<-END
		$at:$1 inet n - n - - smtpd
		$at:$4 inet n - n - - smtpd
		  -o smtpd_tls_wrappermode=yes
		cleanup unix n - n - 0 cleanup
		rewrite unix - - n - - trivial-rewrite
		tlsmgr unix - - n 1000? 1 tlsmgr
		anvil unix - - n - 1 anvil
		scache unix - - n - 1 scache
		proxymap unix - - n - - proxymap
		postlog unix-dgram n - n - 1 postlogd
	END
	chown -R root "$work/postfix"
	chown postfix "$work/postfix/data" "$work/postfix/queue"/*
	chown root "$work/postfix/queue/pid"
	chgrp postdrop "$work/postfix/queue/public"
	run_server postfix "$1" exec /usr/lib/postfix/sbin/master -c "$work/postfix/etc" -d
}

# dovecot_server IMAP-PORT CHAIN KEY POP3-PORT SIEVE-PORT
dovecot_server() {
	mkdir -p "$work/dovecot/mail"
	cat >"$work/dovecot/conf" <<-END
		base_dir = $work/dovecot/run
		state_dir = $work/dovecot/state
		log_path = $work/dovecot/log
		listen = $at
		protocols = imap pop3 sieve
		ssl = yes
		ssl_cert = <$2
		ssl_key = <$3
		mail_location = maildir:$work/dovecot/mail
		passdb {
		  driver = static
		  args = nopassword=y
		}
		service imap-login {
		  inet_listener imap {
		    port = $1
		  }
		  inet_listener imaps {
		    port = 0
		  }
		}
		service pop3-login {
		  inet_listener pop3 {
		    port = $4
		  }
		  inet_listener pop3s {
		    port = 0
		  }
		}
		service managesieve-login {
		  inet_listener sieve {
		    port = $5
		  }
		}
	END
	run_server dovecot "$1" exec dovecot -F -c "$work/dovecot/conf"
}

vsftpd_server() {
	mkdir -p "$work/vsftpd/empty"
	cat >"$work/vsftpd/conf" <<-END
		listen=YES
		listen_address=$at
		listen_port=$1
		background=NO
		anonymous_enable=YES
		secure_chroot_dir=$work/vsftpd/empty
		ssl_enable=YES
		rsa_cert_file=$2
		rsa_private_key_file=$3
	END
	if ! root; then
		echo run_as_launching_user=YES >>"$work/vsftpd/conf"
	fi
	run_server vsftpd "$1" exec vsftpd "$work/vsftpd/conf"
}

slapd_server() {
	mkdir -p "$work/slapd"
	cat >"$work/slapd/conf" <<-END
		pidfile $work/slapd/pid
		TLSCertificateFile $2
		TLSCertificateKeyFile $3
		database config
	END
	run_server slapd "$1" exec slapd -d 0 -f "$work/slapd/conf" -h "ldap://$at:$1"
}

postgres_server() {
	local bin
	bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort -V | tail -n 1)
	mkdir -p "$work/postgres"
	install -m 0644 "$2" "$work/postgres/chain.pem"
	install -m 0600 "$3" "$work/postgres/key.pem"
	owned_by postgres "$work/postgres"
	(as postgres "$bin/initdb" --no-sync -A trust -D "$work/postgres/data") >"$work/postgres.init" 2>&1 ||
		fail "initdb: $(tail -n 3 "$work/postgres.init")"
	run_server postgres "$1" as postgres "$bin/postgres" -F -D "$work/postgres/data" -p "$1" -h $at \
		-k "$work/postgres" -c ssl=on -c ssl_cert_file="$work/postgres/chain.pem" -c ssl_key_file="$work/postgres/key.pem" \
		-c shared_buffers=1MB -c max_connections=10 -c fsync=off
}

mariadb_server() {
	mkdir -p "$work/mariadb/data"
	install -m 0600 "$3" "$work/mariadb/key.pem"
	owned_by nobody "$work/mariadb"
	# No tables of its own: it is never logged in to.
	run_server mariadb "$1" as nobody mariadbd --no-defaults --datadir="$work/mariadb/data" --skip-grant-tables \
		--skip-networking=0 --bind-address=$at --port="$1" --socket="$work/mariadb/sock" \
		--pid-file="$work/mariadb/pid" --ssl-cert="$2" --ssl-key="$work/mariadb/key.pem" --innodb=OFF \
		--default-storage-engine=MyISAM --aria-log-file-size=8M --plugin-maturity=unknown
}

# prosody_server CLIENT-PORT CHAIN KEY SERVER-PORT: for $domains, else localhost
prosody_server() {
	mkdir -p "$work/prosody/data"
	install -m 0600 "$3" "$work/prosody/key.pem"
	cat >"$work/prosody/conf.lua" <<-END
		pidfile = "$work/prosody/pid"
		data_path = "$work/prosody/data"
		log = { info = "$work/prosody/log" }
		interfaces = { "$at" }
		c2s_ports = { $1 }
		s2s_ports = { $4 }
		modules_enabled = { "tls", "saslauth", "dialback" }
		modules_disabled = { "admin_shell", "http" }
		ssl = { certificate = "$2", key = "$work/prosody/key.pem" }
	END
	# shellcheck disable=SC2086 # one a word
	printf 'VirtualHost "%s"\n' ${domains:-localhost} >>"$work/prosody/conf.lua"
	owned_by prosody "$work/prosody"
	run_server prosody "$1" as prosody prosody -F --config "$work/prosody/conf.lua"
}

xrdp_server() {
	mkdir -p "$work/xrdp"
	cp /etc/xrdp/xrdp_keyboard.ini /etc/xrdp/km-00000409.ini "$work/xrdp"
	xrdp-keygen xrdp "$work/xrdp/rsakeys.ini" >/dev/null # the package's own is not for everybody to read
	cat >"$work/xrdp/xrdp.ini" <<-END
		[Globals]
		ini_version=1
		port=tcp://$at:$1
		security_layer=tls
		certificate=$2
		key_file=$3
		[Logging]
		LogFile=$work/xrdp/log
		LogLevel=INFO
		EnableSyslog=false
		[Xorg]
		name=Xorg
		lib=libxup.so
	END
	run_server xrdp "$1" exec xrdp --nodaemon -c "$work/xrdp/xrdp.ini"
}

tds_server() {
	run_server tds "$1" exec python3 "$top/tests/standins/tds.py" "$at" "$1" "$2" "$3"
}
