/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TlsServer.java - a JVM HTTPS server on a keystore and a truststore, for tests and the quickstart: what Tomcat and its kin do,
 * with nothing else around it.
 *
 * TlsServer PORT KEYSTORE TYPE PASSWORDFILE [TRUSTSTORE TYPE PASSWORDFILE]
 *
 * Listens on 127.0.0.1. With a truststore client certificates are required. SIGHUP loads both stores anew; a store that does not load
 * keeps the old one in service and says so on standard error. Prints "ready" when it listens, "reloaded" after each reload.
 */
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

public final class TlsServer {
	private final String[] args;

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

	private SSLContext context() throws Exception {
		KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
		keys.init(load(1), password(3));
		TrustManagerFactory trust = null;
		if (wantsClients()) {
			trust = TrustManagerFactory.getInstance("PKIX");
			trust.init(load(4));
		}
		SSLContext context = SSLContext.getInstance("TLS");
		context.init(keys.getKeyManagers(), trust == null ? null : trust.getTrustManagers(), null);
		return context;
	}

	private HttpsConfigurator configurator() throws Exception {
		final SSLContext context = context();
		return new HttpsConfigurator(context) {
			@Override
			public void configure(HttpsParameters parameters) {
				SSLParameters ssl = context.getDefaultSSLParameters();
				ssl.setNeedClientAuth(wantsClients());
				parameters.setSSLParameters(ssl);
			}
		};
	}

	private void serve() throws Exception {
		int port = Integer.parseInt(args[0]);
		HttpsServer server =
			HttpsServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 64);
		server.setHttpsConfigurator(configurator());
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.createContext("/", exchange -> {
			byte[] body = "hello\n".getBytes(StandardCharsets.UTF_8);
			exchange.sendResponseHeaders(200, body.length);
			exchange.getResponseBody().write(body);
			exchange.close();
		});
		sun.misc.Signal.handle(new sun.misc.Signal("HUP"), signal -> reload(server));
		server.start();
		System.out.println("ready");
	}

	private void reload(HttpsServer server) {
		try {
			server.setHttpsConfigurator(configurator());
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
