import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.StorageTool;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;

/**
 * One node of Apache Kafka on loopback, broker and controller in one, formatted and started in one
 * process.
 *
 * It prints "READY 127.0.0.1:PORT" once it serves. Arguments: "attached" ends it when its standard
 * input does, so that it never outlives the process that started it; "data=FOLDER" keeps its data
 * there, as a start after a kill needs, in place of a folder that goes with it; "port=PORT" listens
 * there, and the controller at the next one. Without a port it takes three that are free.
 *
 * The third one is for a further listener, if one is wanted: "behind=PORT" has one that clients find
 * at that port, where somebody else listens and passes connections on; "secure=FOLDER" has one with
 * TLS that takes nobody without a certificate of FOLDER/ca.pem and the password of the user "edge",
 * as FOLDER/password has it. Its own certificate and key are FOLDER/broker.pem.
 */
public class Loopback {
    /** Below the ports that systems give to connections, which would take one in between. */
    private static final int FIRST = 12_000;
    private static final int LAST = 30_000;
    /** The further listener. */
    private static final String FURTHER = "listener.name.further.";
    private static final String LOGIN = "org.apache.kafka.common.security.";

    private static int behind;
    private static File secure;

    public static void main(String[] arguments) throws Exception {
        boolean attached = false;
        int port = 0;
        File data = null;
        for (String argument : arguments) {
            if (argument.equals("attached")) {
                attached = true;
            } else if (argument.startsWith("data=")) {
                data = new File(argument.substring("data=".length()));
            } else if (argument.startsWith("port=")) {
                port = Integer.parseInt(argument.substring("port=".length()));
            } else if (argument.startsWith("behind=")) {
                behind = Integer.parseInt(argument.substring("behind=".length()));
            } else if (argument.startsWith("secure=")) {
                secure = new File(argument.substring("secure=".length()));
            }
        }
        boolean kept = data != null;
        File folder = kept ? data : Files.createTempDirectory("kafka-local-").toFile();
        if (!kept) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(folder)));
        }
        if (attached) {
            Thread watch = new Thread(Loopback::awaitEnd);
            watch.setDaemon(true);
            watch.start();
        }
        KafkaRaftServer server = start(folder, port == 0 ? free() : port);
        server.awaitShutdown();
    }

    private static KafkaRaftServer start(File folder, int port) throws Exception {
        // The codecs unpack their native libraries there.
        File scratch = new File(folder, "tmp");
        scratch.mkdirs();
        System.setProperty("java.io.tmpdir", scratch.getPath());
        Properties properties = properties(new File(folder, "log").getPath(), port);
        Path file = new File(folder, "server.properties").toPath();
        try (var writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        }
        if (!new File(folder, "log/meta.properties").exists()) {
            // The one node is the whole quorum.
            String id = Uuid.randomUuid().toString();
            List<String> format = new ArrayList<>(List.of(
                "format", "--standalone", "--config", file.toString(), "--cluster-id=" + id));
            if (secure != null) {
                for (String hash : new String[] {"SCRAM-SHA-256", "SCRAM-SHA-512"}) {
                    format.add("--add-scram");
                    format.add(hash + "=[name=edge,password=" + password() + "]");
                }
            }
            int ended = StorageTool.execute(format.toArray(String[]::new), System.out);
            if (ended != 0) {
                throw new IOException("formatting ended with " + ended);
            }
        }
        var server = new KafkaRaftServer(KafkaConfig.fromProps(properties), Time.SYSTEM);
        server.startup();
        System.out.println("READY 127.0.0.1:" + port);
        System.out.flush();
        return server;
    }

    private static Properties properties(String logs, int port) throws IOException {
        Properties properties = new Properties();
        String controller = "127.0.0.1:" + (port + 1);
        properties.put("process.roles", "broker,controller");
        properties.put("node.id", "1");
        properties.put("controller.quorum.bootstrap.servers", controller);
        properties.put("listeners", "PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://" + controller);
        properties.put("advertised.listeners", "PLAINTEXT://127.0.0.1:" + port);
        properties.put("controller.listener.names", "CONTROLLER");
        properties.put("inter.broker.listener.name", "PLAINTEXT");
        properties.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        properties.put("log.dirs", logs);
        properties.put("auto.create.topics.enable", "false");
        // One node has one replica; with the default of three no group would ever come up.
        for (String topic : new String[] {"offsets.topic", "transaction.state.log", "share.coordinator.state.topic"}) {
            properties.put(topic + ".replication.factor", "1");
            properties.put(topic + ".num.partitions", "4");
        }
        properties.put("transaction.state.log.min.isr", "1");
        properties.put("share.coordinator.state.topic.min.isr", "1");
        if (behind != 0 || secure != null) {
            further(properties, port + 2);
        }
        // A group begins with the members that it has.
        properties.put("group.initial.rebalance.delay.ms", "0");
        // A member that was killed is missed soon.
        properties.put("group.min.session.timeout.ms", "1000");
        return properties;
    }

    private static void further(Properties properties, int port) throws IOException {
        String map = "listener.security.protocol.map";
        String own = "FURTHER://127.0.0.1:" + port;
        String told = behind == 0 ? own : "FURTHER://127.0.0.1:" + behind;
        String protocol = secure == null ? "PLAINTEXT" : "SASL_SSL";
        properties.merge("listeners", own, Loopback::and);
        properties.merge("advertised.listeners", told, Loopback::and);
        properties.merge(map, "FURTHER:" + protocol, Loopback::and);
        if (secure == null) {
            return;
        }
        for (String[] store : new String[][] {{"keystore", "broker.pem"}, {"truststore", "ca.pem"}}) {
            properties.put(FURTHER + "ssl." + store[0] + ".type", "PEM");
            String file = new File(secure, store[1]).getPath();
            properties.put(FURTHER + "ssl." + store[0] + ".location", file);
        }
        properties.put(FURTHER + "ssl.client.auth", "required");
        properties.put(FURTHER + "sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
        String plain = "plain.PlainLoginModule required user_edge=\"" + password() + "\";";
        properties.put(FURTHER + "plain.sasl.jaas.config", LOGIN + plain);
        for (String hash : new String[] {"scram-sha-256", "scram-sha-512"}) {
            String scram = LOGIN + "scram.ScramLoginModule required;";
            properties.put(FURTHER + hash + ".sasl.jaas.config", scram);
        }
    }

    private static Object and(Object first, Object second) {
        return first + "," + second;
    }

    private static String password() throws IOException {
        return Files.readString(new File(secure, "password").toPath()).strip();
    }

    /** The first of three ports that nobody uses. */
    private static int free() throws IOException {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(FIRST, LAST);
            try (ServerSocket first = bound(port); ServerSocket second = bound(port + 1);
                ServerSocket third = bound(port + 2)) {
                return port;
            } catch (IOException taken) {
                continue;
            }
        }
    }

    private static ServerSocket bound(int port) throws IOException {
        ServerSocket socket = new ServerSocket();
        socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        return socket;
    }

    private static void awaitEnd() {
        try {
            while (System.in.read() >= 0) {}
        } catch (IOException gone) {
            // As good as its end.
        }
        // Not an orderly shutdown, which takes seconds when a controller is gone too.
        Runtime.getRuntime().exit(0);
    }

    private static void remove(File file) {
        File[] inside = file.listFiles();
        for (File each : inside == null ? new File[0] : inside) {
            remove(each);
        }
        file.delete();
    }
}
