package dev.outrigger.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.dapr.client.DaprClient;
import io.dapr.client.DaprClientBuilder;
import io.dapr.client.DaprHttp;
import io.dapr.client.DaprPreviewClient;
import io.dapr.client.SubscriptionListener;
import io.dapr.client.domain.CloudEvent;
import io.dapr.client.domain.ConfigurationItem;
import io.dapr.client.domain.GetJobRequest;
import io.dapr.client.domain.HttpExtension;
import io.dapr.client.domain.PublishEventRequest;
import io.dapr.client.domain.QueryStateItem;
import io.dapr.client.domain.State;
import io.dapr.client.domain.StateOptions;
import io.dapr.client.domain.TransactionalStateOperation;
import io.dapr.client.domain.TransactionalStateOperation.OperationType;
import io.dapr.config.Properties;
import io.dapr.exceptions.DaprException;
import io.dapr.utils.TypeRef;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import reactor.core.Disposable;
import reactor.core.publisher.Mono;

/**
 * Drives the unmodified Dapr Java SDK against running sidecars, beside an HTTP app (APP_PORT) that receives events and
 * invokes. Prints one line per case: {@code CASE block/case ok} or {@code CASE block/case FAILED reason}.
 */
public final class Driver {
  private static final String STORE = "statestore";
  private static final String PUBSUB = "pubsub";
  private static final long WAIT_SECONDS = 20;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final BlockingQueue<JsonNode> ORDERS = new LinkedBlockingQueue<>();
  private static final BlockingQueue<JsonNode> DEAD = new LinkedBlockingQueue<>();
  private static final BlockingQueue<String> ROUTED = new LinkedBlockingQueue<>();
  private static final BlockingQueue<String> RETRIED = new LinkedBlockingQueue<>();
  private static final Set<String> SEEN = ConcurrentHashMap.newKeySet();

  private interface Check {
    void run() throws Exception;
  }

  private static void check(String name, Check check) {
    try {
      check.run();
      System.out.println("CASE " + name + " ok");
    } catch (Throwable error) {
      System.out.println("CASE " + name + " FAILED " + String.valueOf(error).replace('\n', ' '));
      error.printStackTrace();
    }
  }

  private static void equal(Object got, Object want) {
    if (!Objects.equals(got, want)) {
      throw new AssertionError("got " + got + ", want " + want);
    }
  }

  private static DaprException fails(Check check, String... codes) throws Exception {
    try {
      check.run();
    } catch (DaprException error) {
      if (List.of(codes).contains(error.getErrorCode())) {
        return error;
      }
      throw new AssertionError("code " + error.getErrorCode() + ", want " + List.of(codes), error);
    }
    throw new AssertionError("the call succeeded");
  }

  private static <T> T receive(BlockingQueue<T> queue) throws InterruptedException {
    T value = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    if (value == null) {
      throw new AssertionError("nothing arrived in time");
    }
    return value;
  }

  private static void control(String path, String body) throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("TEST_CONTROL") + path))
        .POST(HttpRequest.BodyPublishers.ofString(body)).build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 204) {
      throw new IOException(response.body());
    }
  }

  private static void reply(HttpExchange exchange, int status, String contentType, byte[] body) throws IOException {
    exchange.getResponseHeaders().set("content-type", contentType);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private static void startApp() throws IOException {
    int port = Integer.parseInt(System.getenv("APP_PORT"));
    HttpServer app = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 64);
    app.setExecutor(Executors.newCachedThreadPool());
    app.createContext("/dapr/subscribe", exchange -> reply(exchange, 200, "application/json", """
        [{"pubsubname":"pubsub","topic":"java-orders","route":"/orders"},
         {"pubsubname":"pubsub","topic":"java-retry","route":"/retry"},
         {"pubsubname":"pubsub","topic":"java-routed","routes":{
           "rules":[{"match":"event.type == \\"special\\"","path":"/routed/special"}],"default":"/routed/ordinary"}},
         {"pubsubname":"pubsub","topic":"java-doomed","route":"/doomed","deadLetterTopic":"java-dead"},
         {"pubsubname":"pubsub","topic":"java-dead","route":"/dead"},
         {"pubsubname":"pubsub","topic":"java-raw","route":"/orders","metadata":{"rawPayload":"true"}}]""".getBytes(StandardCharsets.UTF_8)));
    app.createContext("/orders", exchange -> {
      ORDERS.add(JSON.readTree(exchange.getRequestBody().readAllBytes()));
      reply(exchange, 200, "application/json", "{\"status\":\"SUCCESS\"}".getBytes(StandardCharsets.UTF_8));
    });
    app.createContext("/dead", exchange -> {
      DEAD.add(JSON.readTree(exchange.getRequestBody().readAllBytes()));
      reply(exchange, 200, "application/json", new byte[0]);
    });
    app.createContext("/retry", exchange -> {
      String id = JSON.readTree(exchange.getRequestBody().readAllBytes()).get("id").asText();
      RETRIED.add(id);
      String status = SEEN.add(id) ? "RETRY" : "SUCCESS";
      reply(exchange, 200, "application/json", ("{\"status\":\"" + status + "\"}").getBytes(StandardCharsets.UTF_8));
    });
    app.createContext("/routed/", exchange -> {
      ROUTED.add(exchange.getRequestURI() + " " + JSON.readTree(exchange.getRequestBody().readAllBytes()).get("data").asText());
      reply(exchange, 200, "application/json", new byte[0]);
    });
    app.createContext("/doomed", exchange ->
        reply(exchange, 200, "application/json", "{\"status\":\"DROP\"}".getBytes(StandardCharsets.UTF_8)));
    app.createContext("/describe", exchange -> reply(exchange, 200, "text/plain", String.join(" ", exchange.getRequestMethod(),
        String.valueOf(exchange.getRequestURI()), exchange.getRequestHeaders().getFirst("x-tenant")).getBytes(StandardCharsets.UTF_8)));
    app.createContext("/echo", exchange -> reply(exchange, 200,
        String.valueOf(exchange.getRequestHeaders().getFirst("content-type")), exchange.getRequestBody().readAllBytes()));
    app.createContext("/teapot", exchange -> reply(exchange, 418, "text/plain", "short and stout".getBytes(StandardCharsets.UTF_8)));
    app.start();
  }

  private static void stateCases(DaprClient client, DaprPreviewClient preview) {
    check("state/save and get", () -> {
      client.saveState(STORE, "java-1", "value one").block();
      State<String> state = client.getState(STORE, "java-1", String.class).block();
      equal(state.getValue(), "value one");
      if (state.getEtag() == null || state.getEtag().isEmpty()) {
        throw new AssertionError("no etag");
      }
    });
    check("state/missing key is empty", () -> equal(client.getState(STORE, "java-none", String.class).block().getValue(), null));
    check("state/bulk save and bulk get", () -> {
      client.saveBulkState(STORE, List.of(new State<>("java-b1", "1", (String) null), new State<>("java-b2", "2", (String) null))).block();
      List<State<String>> states = client.getBulkState(STORE, List.of("java-b1", "java-b2"), String.class).block();
      equal(states.size(), 2);
      for (State<String> state : states) {
        equal(state.getValue(), state.getKey().substring("java-b".length()));
      }
    });
    check("state/delete", () -> {
      client.saveState(STORE, "java-d", "x").block();
      client.deleteState(STORE, "java-d").block();
      equal(client.getState(STORE, "java-d", String.class).block().getValue(), null);
    });
    check("state/etag mismatch is ABORTED", () -> {
      client.saveState(STORE, "java-e", "x").block();
      StateOptions firstWrite = new StateOptions(StateOptions.Consistency.STRONG, StateOptions.Concurrency.FIRST_WRITE);
      fails(() -> client.saveState(STORE, "java-e", "0", "y", firstWrite).block(), "ABORTED");
      equal(client.getState(STORE, "java-e", String.class).block().getValue(), "x");
    });
    check("state/transaction", () -> {
      client.executeStateTransaction(STORE, List.of(
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("java-t1", "one", (String) null)),
          new TransactionalStateOperation<>(OperationType.DELETE, new State<String>("java-e")))).block();
      equal(client.getState(STORE, "java-t1", String.class).block().getValue(), "one");
      equal(client.getState(STORE, "java-e", String.class).block().getValue(), null);
    });
    check("state/etag guards delete", () -> {
      client.saveState(STORE, "java-ed", "x").block();
      StateOptions firstWrite = new StateOptions(StateOptions.Consistency.STRONG, StateOptions.Concurrency.FIRST_WRITE);
      fails(() -> client.deleteState(STORE, "java-ed", "0", firstWrite).block(), "ABORTED");
      String etag = client.getState(STORE, "java-ed", String.class).block().getEtag();
      client.deleteState(STORE, "java-ed", etag, firstWrite).block();
      equal(client.getState(STORE, "java-ed", String.class).block().getValue(), null);
    });
    check("state/transaction aborts as a whole", () -> {
      fails(() -> client.executeStateTransaction(STORE, List.of(
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("java-t2", "new", (String) null)),
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("java-t1", "after", "0")))).block(), "INTERNAL", "ABORTED");
      equal(client.getState(STORE, "java-t1", String.class).block().getValue(), "one");
      equal(client.getState(STORE, "java-t2", String.class).block().getValue(), null);
    });
    check("state/query", () -> {
      for (int index = 0; index < 3; index++) {
        Map<String, Object> person = Map.of("city", index == 1 ? "Oslo" : "Rome", "index", index);
        client.saveBulkState(STORE, List.of(
            new State<>("java-q" + index, Map.of("person", person), null, Map.of("contentType", "application/json"), null))).block();
      }
      String query = "{\"filter\":{\"EQ\":{\"person.city\":\"Rome\"}},\"sort\":[{\"key\":\"person.index\",\"order\":\"DESC\"}]}";
      equal(preview.queryState(STORE, query, JsonNode.class).block().getResults().stream().map(QueryStateItem::getKey).toList(),
          List.of("java-q2", "java-q0"));
    });
    check("state/large value, and one beyond the limit", () -> {
      String large = "x".repeat(3 << 20);
      client.saveState(STORE, "java-large", large).block();
      equal(client.getState(STORE, "java-large", String.class).block().getValue().length(), large.length());
      fails(() -> client.saveState(STORE, "java-large", "x".repeat(5 << 20)).block(), "RESOURCE_EXHAUSTED");
      client.deleteState(STORE, "java-large").block();
    });
    check("state/ttl", () -> {
      State<String> state = new State<>("java-ttl", "x", null, Map.of("ttlInSeconds", "1"), null);
      client.saveBulkState(STORE, List.of(state)).block();
      equal(client.getState(STORE, "java-ttl", String.class).block().getValue(), "x");
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
      while (client.getState(STORE, "java-ttl", String.class).block().getValue() != null) {
        if (System.nanoTime() > deadline) {
          throw new AssertionError("did not expire");
        }
        Thread.sleep(100);
      }
    });
    check("state/missing store", () -> {
      DaprException error = fails(() -> client.getState("nostore", "k", String.class).block(), "INVALID_ARGUMENT", "ERR_STATE_STORE_NOT_FOUND",
          "DAPR_STATE_NOT_FOUND");
      if (!error.getMessage().contains("state store nostore is not found")) {
        throw error;
      }
    });
  }

  private static void pubsubCases(DaprClient client, DaprClient other, DaprPreviewClient preview) {
    check("pubsub/publish and receive", () -> {
      client.publishEvent(PUBSUB, "java-orders", Map.of("id", 7)).block();
      JsonNode event = receive(ORDERS);
      equal(event.get("data").get("id").asInt(), 7);
      equal(event.get("datacontenttype").asText(), "application/json");
      equal(event.get("type").asText(), "com.dapr.event.sent");
    });
    check("pubsub/retry is redelivered", () -> {
      client.publishEvent(PUBSUB, "java-retry", "again").block();
      equal(receive(RETRIED), receive(RETRIED));
    });
    check("pubsub/bulk publish", () -> {
      equal(preview.publishEvents(PUBSUB, "java-orders", "text/plain", List.of("a", "b")).block().getFailedEntries().size(), 0);
      Set<String> got = ConcurrentHashMap.newKeySet();
      got.add(receive(ORDERS).get("data").asText());
      got.add(receive(ORDERS).get("data").asText());
      equal(got.size(), 2);
    });
    check("pubsub/streaming subscription", () -> {
      BlockingQueue<String> received = new LinkedBlockingQueue<>();
      SubscriptionListener<String> listener = new SubscriptionListener<>() {
        @Override
        public Mono<Status> onEvent(CloudEvent<String> event) {
          received.add(event.getData());
          return Mono.just(Status.SUCCESS);
        }

        @Override
        public void onError(RuntimeException error) {
          error.printStackTrace();
        }
      };
      try (var subscription = preview.subscribeToEvents(PUBSUB, "java-stream", listener, TypeRef.STRING)) {
        client.publishEvent(PUBSUB, "java-stream", "streamed").block();
        equal(receive(received), "streamed");
      }
    });
    check("pubsub/routing rule", () -> {
      client.publishEvent(PUBSUB, "java-routed", "one", Map.of("cloudevent.type", "special")).block();
      equal(receive(ROUTED), "/routed/special one");
      client.publishEvent(PUBSUB, "java-routed", "two").block();
      equal(receive(ROUTED), "/routed/ordinary two");
    });
    check("pubsub/dropped goes to the dead letter topic", () -> {
      client.publishEvent(PUBSUB, "java-doomed", "lost").block();
      equal(receive(DEAD).get("data").asText(), "lost");
    });
    check("pubsub/raw payload", () -> {
      client.publishEvent(new PublishEventRequest(PUBSUB, "java-raw", "raw".getBytes(StandardCharsets.UTF_8))
          .setContentType("application/octet-stream").setMetadata(Map.of("rawPayload", "true"))).block();
      JsonNode event = receive(ORDERS);
      equal(event.get("datacontenttype").asText(), "application/octet-stream");
      equal(event.get("data_base64").binaryValue().length, "raw".length());
    });
    check("pubsub/published through the other sidecar", () -> {
      other.publishEvent(PUBSUB, "java-orders", "from afar").block();
      equal(receive(ORDERS).get("data").asText(), "from afar");
    });
    check("pubsub/missing component", () -> fails(() -> client.publishEvent("nopubsub", "t", "x").block(), "INVALID_ARGUMENT", "NOT_FOUND",
        "ERR_PUBSUB_NOT_FOUND", "DAPR_PUBSUB_NOT_FOUND"));
  }

  private static void invokeCases(DaprClient client, DaprClient other) {
    check("invoke/own app through its sidecar", () -> equal(client.invokeMethod("java-app", "echo", "hello", HttpExtension.POST, String.class).block(), "hello"));
    check("invoke/through two sidecars", () -> equal(other.invokeMethod("java-app", "echo", "two hops", HttpExtension.POST, String.class).block(), "two hops"));
    check("invoke/verb, query and headers", () -> {
      HttpExtension put = new HttpExtension(DaprHttp.HttpMethods.PUT, Map.of("n", List.of("1")), null);
      equal(new String(other.invokeMethod("java-app", "describe", new byte[0], put, Map.of("x-tenant", "blue")).block(), StandardCharsets.UTF_8),
          "PUT /describe?n=1 blue");
    });
    check("invoke/the app's own error arrives", () -> {
      try {
        other.invokeMethod("java-app", "teapot", "", HttpExtension.POST, String.class).block();
      } catch (DaprException error) {
        equal(error.getHttpStatusCode(), 418);
        return;
      }
      throw new AssertionError("the call succeeded");
    });
    check("invoke/unknown app fails", () -> fails(() -> client.invokeMethod("no-such-app", "echo", "", HttpExtension.POST, String.class).block(),
        "ERR_DIRECT_INVOKE", "INTERNAL", "UNKNOWN"));
  }

  private static void otherCases(DaprClient client, DaprPreviewClient preview) {
    check("configuration/get", () -> {
      control("/configuration/java-c1", "blue");
      ConfigurationItem item = client.getConfiguration("configstore", "java-c1").block();
      equal(item.getValue(), "blue");
    });
    check("configuration/watch", () -> {
      BlockingQueue<String> changes = new LinkedBlockingQueue<>();
      BlockingQueue<String> ids = new LinkedBlockingQueue<>();
      Disposable watch = client.subscribeConfiguration("configstore", "java-c2").subscribe(response -> {
        if (response.getItems().isEmpty()) {
          ids.add(response.getSubscriptionId());
        }
        response.getItems().values().forEach(item -> changes.add(item.getValue()));
      });
      String id = receive(ids);
      control("/configuration/java-c2", "green");
      equal(receive(changes), "green");
      equal(client.unsubscribeConfiguration(id, "configstore").block().getIsUnsubscribed(), true);
      watch.dispose();
    });
    check("configuration/missing store", () ->
        fails(() -> client.getConfiguration("noconfig", "k").block(), "INVALID_ARGUMENT", "FAILED_PRECONDITION"));
    check("lock/try, refuse, unlock", () -> {
      equal(preview.tryLock("lockstore", "java-r", "me", 60).block(), true);
      equal(preview.tryLock("lockstore", "java-r", "you", 60).block(), false);
      equal(preview.unlock("lockstore", "java-r", "you").block().getCode(), 2);
      equal(preview.unlock("lockstore", "java-r", "me").block().getCode(), 0);
      equal(preview.unlock("lockstore", "java-r", "me").block().getCode(), 1);
    });
    check("secrets/get", () -> equal(client.getSecret("secrets", "db-password").block(), Map.of("db-password", "pa55")));
    check("secrets/bulk", () -> equal(client.getBulkSecret("secrets").block().get("db-password"), Map.of("db-password", "pa55")));
    check("secrets/missing store", () -> fails(() -> client.getSecret("nosecrets", "k").block(), "INVALID_ARGUMENT", "ERR_SECRET_STORE_NOT_FOUND",
        "ERR_SECRET_STORES_NOT_CONFIGURED"));
    check("metadata/get", () -> equal(client.getMetadata().block().getId(), "java-app"));
    check("not served/bindings and jobs say so", () -> {
      fails(() -> client.invokeBinding("b", "create", "x").block(), "UNIMPLEMENTED");
      fails(() -> preview.getJob(new GetJobRequest("j")).block(), "UNIMPLEMENTED");
    });
  }

  public static void main(String[] args) throws Exception {
    startApp();
    DaprClientBuilder builder = new DaprClientBuilder();
    DaprClientBuilder otherBuilder = new DaprClientBuilder()
        .withPropertyOverride(Properties.GRPC_ENDPOINT, "http://127.0.0.1:" + System.getenv("OTHER_GRPC_PORT"))
        .withPropertyOverride(Properties.HTTP_ENDPOINT, "http://127.0.0.1:" + System.getenv("OTHER_HTTP_PORT"));
    try (DaprClient client = builder.build(); DaprPreviewClient preview = builder.buildPreviewClient(); DaprClient other = otherBuilder.build()) {
      client.waitForSidecar((int) Duration.ofSeconds(WAIT_SECONDS).toMillis()).block();
      control("/subscribed", "");
      stateCases(client, preview);
      pubsubCases(client, other, preview);
      invokeCases(client, other);
      otherCases(client, preview);
    }
    System.out.println("DONE");
    System.exit(0);
  }
}
