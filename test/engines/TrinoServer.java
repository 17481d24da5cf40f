import io.trino.plugin.memory.MemoryPlugin;
import io.trino.server.testing.TestingTrinoServer;
import java.io.PrintStream;
import java.util.Map;

/** Trino's own server in one process with its memory connector. Prints its address; ends when stdin does. */
class TrinoServer {
    public static void main(String[] arguments) throws Exception {
        // The server sends stdout to its log.
        PrintStream answers = System.out;
        TestingTrinoServer server = TestingTrinoServer.builder()
                .setProperties(Map.of(
                        "query.max-length", "100000000",
                        "query.max-memory-per-node", "700MB",
                        "query.max-history", "3"))
                .build();
        server.installPlugin(new MemoryPlugin());
        server.createCatalog("memory", "memory", Map.of("memory.max-data-per-node", "1GB"));
        answers.println(server.getBaseUrl());
        answers.flush();
        while (System.in.read() != -1) {
            // Nothing is said on stdin.
        }
        // Closing takes seconds and leaves nothing behind that matters.
        Runtime.getRuntime().halt(0);
    }
}
