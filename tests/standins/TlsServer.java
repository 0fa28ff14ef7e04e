/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TlsServer.java - a JVM HTTPS server on a keystore and a truststore, for tests and the quickstart: what Tomcat and its kin do,
 * with nothing else around it.
 *
 * TlsServer PORT KEYSTORE TYPE PASSWORDFILE [TRUSTSTORE TYPE PASSWORDFILE]
 *
 * Listens on 127.0.0.1. With a truststore client certificates are required. SIGHUP loads both stores anew; a store that does not load
 * keeps the old one in service and says so on standard error. Prints "ready" when it listens, "reloaded" after each reload.
 * With -Dsni=PATTERN it refuses clients that name another server, and serves those that name none: JSSE's way.
 */
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509ExtendedTrustManager;

public final class TlsServer {
	private final String[] args;
	private final CurrentKeys keys = new CurrentKeys();
	private final CurrentTrust trust = new CurrentTrust();

	/* HttpsServer takes its SSLContext once; what the context asks for keys and trust can change under it. */
	private static final class CurrentKeys extends X509ExtendedKeyManager {
		volatile X509ExtendedKeyManager now;

		@Override
		public String[] getClientAliases(String type, Principal[] issuers) {
			return now.getClientAliases(type, issuers);
		}

		@Override
		public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
			return now.chooseClientAlias(types, issuers, socket);
		}

		@Override
		public String[] getServerAliases(String type, Principal[] issuers) {
			return now.getServerAliases(type, issuers);
		}

		@Override
		public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
			return now.chooseServerAlias(type, issuers, socket);
		}

		@Override
		public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
			return now.chooseEngineServerAlias(type, issuers, engine);
		}

		@Override
		public X509Certificate[] getCertificateChain(String alias) {
			return now.getCertificateChain(alias);
		}

		@Override
		public PrivateKey getPrivateKey(String alias) {
			return now.getPrivateKey(alias);
		}
	}

	private static final class CurrentTrust extends X509ExtendedTrustManager {
		volatile X509ExtendedTrustManager now;

		@Override
		public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
			now.checkClientTrusted(chain, type);
		}

		@Override
		public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
				throws CertificateException {
			now.checkClientTrusted(chain, type, socket);
		}

		@Override
		public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
				throws CertificateException {
			now.checkClientTrusted(chain, type, engine);
		}

		@Override
		public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
			now.checkServerTrusted(chain, type);
		}

		@Override
		public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
				throws CertificateException {
			now.checkServerTrusted(chain, type, socket);
		}

		@Override
		public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
				throws CertificateException {
			now.checkServerTrusted(chain, type, engine);
		}

		@Override
		public X509Certificate[] getAcceptedIssuers() {
			return now.getAcceptedIssuers();
		}
	}

	private TlsServer(String[] args) {
		this.args = args;
	}

	private char[] password(int at) throws Exception {
		return Files.readString(Path.of(args[at])).strip().toCharArray();
	}

	private KeyStore load(int at) throws Exception {
		KeyStore store = KeyStore.getInstance(args[at + 1]);
		try (InputStream in = new FileInputStream(args[at])) {
			store.load(in, password(at + 2));
		}
		return store;
	}

	private boolean wantsClients() {
		return args.length > 4;
	}

	private void loadStores() throws Exception {
		KeyManagerFactory keyFactory = KeyManagerFactory.getInstance("SunX509");
		keyFactory.init(load(1), password(3));
		if (wantsClients()) {
			TrustManagerFactory trustFactory = TrustManagerFactory.getInstance("PKIX");
			trustFactory.init(load(4));
			trust.now = (X509ExtendedTrustManager) trustFactory.getTrustManagers()[0];
		}
		keys.now = (X509ExtendedKeyManager) keyFactory.getKeyManagers()[0];
	}

	private HttpsConfigurator configurator() throws Exception {
		final SSLContext context = SSLContext.getInstance("TLS");
		context.init(new KeyManager[] {keys}, wantsClients() ? new TrustManager[] {trust} : null, null);
		return new HttpsConfigurator(context) {
			@Override
			public void configure(HttpsParameters parameters) {
				SSLParameters ssl = context.getDefaultSSLParameters();
				ssl.setNeedClientAuth(wantsClients());
				if (System.getProperty("sni") != null) {
					ssl.setSNIMatchers(List.of(SNIHostName.createSNIMatcher(System.getProperty("sni"))));
				}
				parameters.setSSLParameters(ssl);
			}
		};
	}

	private void serve() throws Exception {
		int port = Integer.parseInt(args[0]);
		HttpsServer server =
			HttpsServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 64);
		loadStores();
		server.setHttpsConfigurator(configurator());
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.createContext("/", exchange -> {
			byte[] body = "hello\n".getBytes(StandardCharsets.UTF_8);
			exchange.sendResponseHeaders(200, body.length);
			exchange.getResponseBody().write(body);
			exchange.close();
		});
		sun.misc.Signal.handle(new sun.misc.Signal("HUP"), signal -> reload());
		server.start();
		System.out.println("ready");
	}

	private void reload() {
		try {
			loadStores();
			System.out.println("reloaded");
		} catch (Exception e) {
			System.err.println("not reloaded: " + e);
		}
	}

	public static void main(String[] args) throws Exception {
		if (args.length != 4 && args.length != 7) {
			System.err.println("usage: TlsServer PORT KEYSTORE TYPE PASSWORDFILE [TRUSTSTORE TYPE PASSWORDFILE]");
			System.exit(64);
		}
		new TlsServer(args).serve();
	}
}
