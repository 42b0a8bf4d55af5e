import java.io.File;
import java.io.IOException;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * DynamoDB Local on loopback alone, in memory, on a port that the system chooses.
 *
 * Its own main listens on every interface, and takes no port 0. This one sets both, prints
 * "READY http://127.0.0.1:PORT", and with the argument "attached" ends when its standard input
 * does: so it never outlives the process that started it.
 */
public class Loopback {
    public static void main(String[] arguments) throws Exception {
        System.setErr(System.out);
        File scratch = scratch();
        String[] asked = {"-inMemory", "-sharedDb", "-disableTelemetry", "-port", "8000"};
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(asked);
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        ServerConnector listener = null;
        for (Connector connector : ((Server) field.get(local)).getConnectors()) {
            listener = (ServerConnector) connector;
            listener.setHost("127.0.0.1");
            listener.setPort(0);
        }
        local.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(scratch)));
        System.out.println("READY http://127.0.0.1:" + listener.getLocalPort());
        System.out.flush();
        if (arguments.length > 0 && arguments[0].equals("attached")) {
            awaitEnd();
            System.exit(0);
        }
        local.join();
    }

    /** SQLite's native library is unpacked there, so two servers at once need two folders. */
    private static File scratch() {
        String name = "dynamodb-local-" + ProcessHandle.current().pid();
        File scratch = new File(System.getProperty("java.io.tmpdir"), name);
        scratch.mkdirs();
        System.setProperty("java.io.tmpdir", scratch.getPath());
        return scratch;
    }

    private static void awaitEnd() throws IOException {
        while (System.in.read() >= 0) {}
    }

    private static void remove(File file) {
        File[] inside = file.listFiles();
        for (File each : inside == null ? new File[0] : inside) {
            remove(each);
        }
        file.delete();
    }
}
