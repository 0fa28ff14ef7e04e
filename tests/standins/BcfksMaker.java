/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BcfksMaker - the BCFKS stores that BouncyCastle can write, one of each kind, from the keys and
 * certificates in a directory. Password of all: "sesame"; of the key "other" inside: "keypass". With
 * a name behind the directory: that file alone, and small.
 */
import java.io.ByteArrayInputStream;
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.util.PBKDF2Config;
import org.bouncycastle.crypto.util.PBKDFConfig;
import org.bouncycastle.crypto.util.ScryptConfig;
import org.bouncycastle.jcajce.BCFKSLoadStoreParameter;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public final class BcfksMaker {
	private static Path dir;
	private static final char[] PASSWORD = "sesame".toCharArray();

	private static Certificate certificate(String name) throws Exception {
		return CertificateFactory.getInstance("X.509").generateCertificate(
			new ByteArrayInputStream(Files.readAllBytes(dir.resolve(name + ".der"))));
	}

	private static PrivateKey key(String name, String algorithm) throws Exception {
		return KeyFactory.getInstance(algorithm).generatePrivate(
			new PKCS8EncodedKeySpec(Files.readAllBytes(dir.resolve(name + ".key"))));
	}

	private static KeyStore empty() throws Exception {
		KeyStore ks = KeyStore.getInstance("BCFKS", "BC");
		ks.load(null, null);
		return ks;
	}

	private static void fill(KeyStore ks) throws Exception {
		Certificate inter = certificate("inter");
		ks.setCertificateEntry("Root", certificate("root"));
		ks.setCertificateEntry("root", certificate("other"));
		ks.setKeyEntry("web", key("web", "EC"), PASSWORD,
			new Certificate[] { certificate("web"), inter });
		ks.setKeyEntry("\u00e4pfel", key("api", "RSA"), PASSWORD,
			new Certificate[] { certificate("api"), inter, certificate("root") });
		ks.setKeyEntry("other", key("web2", "EC"), "keypass".toCharArray(),
			new Certificate[] { certificate("web2") });
		ks.setKeyEntry("stray", key("web", "EC"), PASSWORD,
			new Certificate[] { certificate("web2") });
		ks.setKeyEntry("aes", new SecretKeySpec("0123456789abcdef".getBytes(), "AES"), PASSWORD,
			null);
	}

	private static void store(KeyStore ks, String name, char[] password) throws Exception {
		try (FileOutputStream out = new FileOutputStream(dir.resolve(name).toFile())) {
			ks.store(out, password);
		}
	}

	private static void store(String name, BCFKSLoadStoreParameter.EncryptionAlgorithm encryption,
		BCFKSLoadStoreParameter.MacAlgorithm mac, PBKDFConfig derivation) throws Exception {
		KeyStore ks = empty();
		/* Keys are encrypted as the last store() was told. */
		for (int i = 0; i < 2; i++) {
			try (FileOutputStream out = new FileOutputStream(dir.resolve(name).toFile())) {
				if (i == 1) {
					fill(ks);
				}
				ks.store(new BCFKSLoadStoreParameter.Builder(out, PASSWORD)
					.withStoreEncryptionAlgorithm(encryption)
					.withStoreMacAlgorithm(mac)
					.withStorePBKDFConfig(derivation).build());
			}
		}
	}

	/* One certificate, and as little work as can be asked for. */
	private static void small(KeyStore ks, String name) throws Exception {
		ks.setCertificateEntry("root", certificate("root"));
		try (FileOutputStream out = new FileOutputStream(dir.resolve(name).toFile())) {
			ks.store(new BCFKSLoadStoreParameter.Builder(out, PASSWORD)
				.withStorePBKDFConfig(new PBKDF2Config.Builder().withIterationCount(10)
					.withSaltLength(8).withPRF(PBKDF2Config.PRF_SHA512).build())
				.build());
		}
	}

	public static void main(String[] args) throws Exception {
		dir = Path.of(args[0]);
		Security.addProvider(new BouncyCastleProvider());
		KeyStore ks = empty();
		if (args.length > 1) {
			small(ks, args[1]);
			return;
		}
		store(ks, "empty.bcfks", PASSWORD);
		fill(ks);
		store(ks, "plain.bcfks", PASSWORD);
		store(ks, "nopw.bcfks", new char[0]);
		ks = empty();
		ks.setKeyEntry("kept", Files.readAllBytes(dir.resolve("shrouded.p8")),
			new Certificate[] { certificate("web") });
		/* It writes this one, and does not find the algorithm when it is to read it. */
		ks.setKeyEntry("hmac", new SecretKeySpec("0123456789abcdef".getBytes(), "HmacSHA256"),
			PASSWORD, null);
		store(ks, "kept.bcfks", PASSWORD);
		store("kwp.bcfks", BCFKSLoadStoreParameter.EncryptionAlgorithm.AES256_KWP,
			BCFKSLoadStoreParameter.MacAlgorithm.HmacSHA512,
			new PBKDF2Config.Builder().withIterationCount(1000).withSaltLength(16)
				.withPRF(PBKDF2Config.PRF_SHA512).build());
		store("scrypt.bcfks", BCFKSLoadStoreParameter.EncryptionAlgorithm.AES256_CCM,
			BCFKSLoadStoreParameter.MacAlgorithm.HmacSHA512,
			new ScryptConfig.Builder(64, 8, 1).withSaltLength(20).build());
		store("sha3.bcfks", BCFKSLoadStoreParameter.EncryptionAlgorithm.AES256_CCM,
			BCFKSLoadStoreParameter.MacAlgorithm.HmacSHA3_512,
			new PBKDF2Config.Builder().withIterationCount(2000).withSaltLength(16)
				.withPRF(PBKDF2Config.PRF_SHA3_512).build());
		try (FileOutputStream out = new FileOutputStream(dir.resolve("signed.bcfks").toFile())) {
			ks = empty();
			ks.setCertificateEntry("root", certificate("root"));
			ks.store(new BCFKSLoadStoreParameter.Builder(out, key("api", "RSA"))
				.withCertificates(new java.security.cert.X509Certificate[] {
					(java.security.cert.X509Certificate) certificate("api") })
				.withStoreSignatureAlgorithm(
					BCFKSLoadStoreParameter.SignatureAlgorithm.SHA512withRSA)
				.build());
		}
	}
}
