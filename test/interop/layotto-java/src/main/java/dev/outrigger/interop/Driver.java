package dev.outrigger.interop;

import com.sun.net.httpserver.HttpServer;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.mosn.layotto.v1.RuntimeClientBuilder;
import io.mosn.layotto.v1.RuntimeServerGrpc;
import io.mosn.layotto.v1.callback.component.pubsub.DefaultSubscriber;
import io.mosn.layotto.v1.grpc.GrpcRuntimeClient;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import spec.proto.runtime.v1.RuntimeGrpc.RuntimeBlockingStub;
import spec.proto.runtime.v1.RuntimeProto;
import spec.sdk.runtime.v1.client.RuntimeClient;
import spec.sdk.runtime.v1.domain.file.DelFileRequest;
import spec.sdk.runtime.v1.domain.file.GetFileRequest;
import spec.sdk.runtime.v1.domain.file.GetMetaRequest;
import spec.sdk.runtime.v1.domain.file.ListFileRequest;
import spec.sdk.runtime.v1.domain.file.PutFileRequest;
import spec.sdk.runtime.v1.domain.invocation.InvokeResponse;
import spec.sdk.runtime.v1.domain.pubsub.TopicEventRequest;
import spec.sdk.runtime.v1.domain.sequencer.GetNextIdRequest;
import spec.sdk.runtime.v1.domain.sequencer.SequencerOptions;
import spec.sdk.runtime.v1.domain.state.State;
import spec.sdk.runtime.v1.domain.state.StateOptions;
import spec.sdk.runtime.v1.domain.state.TransactionalStateOperation;
import spec.sdk.runtime.v1.domain.state.TransactionalStateOperation.OperationType;

/**
 * Drives the unmodified Layotto Java SDK against running sidecars: its client on the first (runtime_GRPC_PORT), its callback
 * server as that sidecar's app (APP_PORT), and a plain HTTP server as the app of the second (OTHER_APP_PORT), which is invoked.
 * Configuration and lock have no typed method in this version; the SDK's own stub is used for them. Prints one line per
 * case: {@code CASE block/case ok} or {@code CASE block/case FAILED reason}.
 */
public final class Driver {
  private static final String STORE = "statestore";
  private static final String PUBSUB = "pubsub";
  private static final String OTHER_APP = System.getenv("OTHER_APP_ID");
  private static final long WAIT_SECONDS = 20;
  private static final int TIMEOUT_MS = 10_000;
  private static final StateOptions FIRST_WRITE =
      new StateOptions(StateOptions.Consistency.STRONG, StateOptions.Concurrency.FIRST_WRITE);
  private static final BlockingQueue<TopicEventRequest> ORDERS = new LinkedBlockingQueue<>();
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

  /** The gRPC status of a call that must fail; the SDK wraps it, once or twice. */
  private static Status fails(Check check, Status.Code... codes) {
    Throwable thrown = null;
    try {
      check.run();
    } catch (Throwable error) {
      thrown = error;
    }
    if (thrown == null) {
      throw new AssertionError("the call succeeded");
    }
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      if (cause instanceof StatusRuntimeException) {
        Status status = ((StatusRuntimeException) cause).getStatus();
        if (List.of(codes).contains(status.getCode())) {
          return status;
        }
        throw new AssertionError("status " + status + ", want " + List.of(codes), thrown);
      }
    }
    throw new AssertionError("no gRPC status", thrown);
  }

  private static <T> T receive(BlockingQueue<T> queue) throws InterruptedException {
    T value = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    if (value == null) {
      throw new AssertionError("nothing arrived in time");
    }
    return value;
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static void awaitSubscribed() throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("TEST_CONTROL") + "/subscribed"))
        .POST(HttpRequest.BodyPublishers.noBody()).build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 204) {
      throw new IOException(response.body());
    }
  }

  private static void startCallbacks() throws IOException {
    RuntimeServerGrpc server = new RuntimeServerGrpc(Integer.parseInt(System.getenv("APP_PORT")));
    DefaultSubscriber subscriber = new DefaultSubscriber(PUBSUB);
    subscriber.subscribe("ljava-orders", ORDERS::add);
    subscriber.subscribe("ljava-retry", event -> {
      RETRIED.add(event.getId());
      if (SEEN.add(event.getId())) {
        throw new IllegalStateException("not yet");
      }
    });
    server.registerPubSubCallback(PUBSUB, subscriber);
    server.start();
  }

  private static void startInvokedApp() throws IOException {
    int port = Integer.parseInt(System.getenv("OTHER_APP_PORT"));
    HttpServer app = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 64);
    app.setExecutor(Executors.newCachedThreadPool());
    app.createContext("/echo", exchange -> {
      byte[] body = exchange.getRequestBody().readAllBytes();
      String tenant = exchange.getRequestHeaders().getFirst("x-tenant");
      byte[] answer = bytes(exchange.getRequestMethod() + " " + exchange.getRequestURI() + " " + tenant + " " + text(body));
      exchange.getResponseHeaders().set("content-type", "text/plain; charset=utf-8");
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    app.start();
  }

  private static void stateCases(RuntimeClient client) {
    check("state/save and get", () -> {
      client.saveState(STORE, "ljava-1", "value one");
      State<String> state = client.getState(STORE, "ljava-1", String.class);
      equal(state.getValue(), "value one");
      if (state.getEtag() == null) {
        throw new AssertionError("no etag");
      }
    });
    check("state/an object as JSON", () -> {
      client.saveState(STORE, "ljava-json", Map.of("id", 7));
      equal(client.getState(STORE, "ljava-json", Map.class).getValue(), Map.of("id", 7));
    });
    check("state/missing key is empty", () -> {
      State<String> state = client.getState(STORE, "ljava-none", String.class);
      equal(state.getValue(), "");
      equal(state.getEtag(), null);
    });
    check("state/bulk save and bulk get", () -> {
      client.saveBulkState(STORE, List.of(new State<>("ljava-b1", "1", (String) null), new State<>("ljava-b2", "2", (String) null)));
      Map<String, String> got = client.getBulkState(STORE, List.of("ljava-b1", "ljava-b2", "ljava-b3"), String.class).stream()
          .collect(Collectors.toMap(State::getKey, State::getValue));
      equal(got, Map.of("ljava-b1", "1", "ljava-b2", "2", "ljava-b3", ""));
    });
    check("state/delete", () -> {
      client.deleteState(STORE, "ljava-b1");
      equal(client.getState(STORE, "ljava-b1", String.class).getValue(), "");
    });
    check("state/etag guards save and delete", () -> {
      client.saveState(STORE, "ljava-e", "x");
      String etag = client.getState(STORE, "ljava-e", String.class).getEtag();
      client.saveState(STORE, "ljava-e", etag, "y", FIRST_WRITE, null);
      fails(() -> client.saveState(STORE, "ljava-e", etag, "z", FIRST_WRITE, null), Status.Code.ABORTED);
      fails(() -> client.deleteState(STORE, "ljava-e", etag, FIRST_WRITE), Status.Code.ABORTED);
      equal(client.getState(STORE, "ljava-e", String.class).getValue(), "y");
    });
    check("state/transaction", () -> {
      client.executeStateTransaction(STORE, List.of(
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("ljava-t1", "one", (String) null)),
          new TransactionalStateOperation<>(OperationType.DELETE, new State<String>("ljava-e"))));
      equal(client.getState(STORE, "ljava-t1", String.class).getValue(), "one");
      equal(client.getState(STORE, "ljava-e", String.class).getValue(), "");
    });
    check("state/transaction aborts as a whole", () -> {
      fails(() -> client.executeStateTransaction(STORE, List.of(
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("ljava-t2", "new", (String) null)),
          new TransactionalStateOperation<>(OperationType.UPSERT, new State<>("ljava-t1", "after", "999999", FIRST_WRITE)))),
          Status.Code.ABORTED, Status.Code.INTERNAL);
      equal(client.getState(STORE, "ljava-t1", String.class).getValue(), "one");
      equal(client.getState(STORE, "ljava-t2", String.class).getValue(), "");
    });
    check("state/ttl", () -> {
      client.saveState(STORE, "ljava-ttl", null, "x", null, Map.of("ttlInSeconds", "1"));
      equal(client.getState(STORE, "ljava-ttl", String.class).getValue(), "x");
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
      while (!client.getState(STORE, "ljava-ttl", String.class).getValue().isEmpty()) {
        if (System.nanoTime() > deadline) {
          throw new AssertionError("did not expire");
        }
        Thread.sleep(100);
      }
    });
    check("state/missing store", () -> equal(
        fails(() -> client.getState("nostore", "k", String.class), Status.Code.INVALID_ARGUMENT).getDescription(),
        "state store nostore is not found"));
  }

  private static void pubsubCases(RuntimeClient client, RuntimeClient other) {
    check("pubsub/publish and receive", () -> {
      client.publishEvent(PUBSUB, "ljava-orders", bytes("{\"id\":7}"), "application/json", null);
      TopicEventRequest event = receive(ORDERS);
      equal(text(event.getData()), "{\"id\":7}");
      equal(List.of(event.getPubsubName(), event.getTopic(), event.getContentType(), event.getSpecVersion(), event.getType()),
          List.of(PUBSUB, "ljava-orders", "application/json", "1.0", "com.runtime.event.sent"));
    });
    check("pubsub/text without a content type", () -> {
      client.publishEvent(PUBSUB, "ljava-orders", bytes("plain"));
      equal(text(receive(ORDERS).getData()), "plain");
    });
    check("pubsub/retry is redelivered", () -> {
      client.publishEvent(PUBSUB, "ljava-retry", bytes("again"));
      equal(receive(RETRIED), receive(RETRIED));
    });
    check("pubsub/published through the other sidecar", () -> {
      other.publishEvent(PUBSUB, "ljava-orders", bytes("from afar"));
      equal(text(receive(ORDERS).getData()), "from afar");
    });
    check("pubsub/missing component", () -> {
      Status status = fails(() -> client.publishEvent("nopubsub", "t", bytes("x")), Status.Code.INVALID_ARGUMENT);
      equal(status.getDescription(), "pubsub nopubsub not found");
    });
  }

  private static void invokeCases(RuntimeClient client) {
    check("invoke/through two sidecars", () -> {
      InvokeResponse<byte[]> answer = client.invokeMethod(OTHER_APP, "/echo", bytes("two hops"),
          Map.of("verb", "POST", "query_string", "n=1", "x-tenant", "blue"), TIMEOUT_MS);
      equal(text(answer.getData()), "POST /echo?n=1 blue two hops");
      equal(answer.getContentType(), "text/plain; charset=utf-8");
    });
    check("invoke/without a verb it is a GET", () ->
        equal(text(client.invokeMethod(OTHER_APP, "/echo", bytes(""), new HashMap<>(), TIMEOUT_MS).getData()), "GET /echo null "));
    check("invoke/a missing method is told with its status", () -> {
      Status status = fails(() -> client.invokeMethod(OTHER_APP, "/nothing", bytes(""), new HashMap<>(), TIMEOUT_MS),
          Status.Code.UNAVAILABLE);
      if (!String.valueOf(status.getDescription()).startsWith("http response code 404, body: ")) {
        throw new AssertionError(status);
      }
    });
    check("invoke/unknown app fails", () -> {
      Status status = fails(() -> client.invokeMethod("no-such-app", "/echo", bytes(""), new HashMap<>(), TIMEOUT_MS),
          Status.Code.INTERNAL, Status.Code.UNAVAILABLE, Status.Code.NOT_FOUND);
      if (!String.valueOf(status.getDescription()).contains("no-such-app")) {
        throw new AssertionError(status);
      }
    });
  }

  private static long nextId(RuntimeClient client, String key, SequencerOptions.AutoIncrement increment) {
    GetNextIdRequest request = new GetNextIdRequest();
    request.setStoreName("sequencer");
    request.setKey(key);
    SequencerOptions options = new SequencerOptions();
    options.setOption(increment);
    request.setOptions(options);
    request.setMetadata(new HashMap<>());
    return client.getNextId(request).getNextId();
  }

  private static void sequencerCases(RuntimeClient client) {
    check("sequencer/weak ids grow", () -> {
      long first = nextId(client, "ljava-weak", SequencerOptions.AutoIncrement.WEAK);
      long second = nextId(client, "ljava-weak", SequencerOptions.AutoIncrement.WEAK);
      if (second <= first) {
        throw new AssertionError(first + ", " + second);
      }
    });
    check("sequencer/strong ids follow each other", () -> equal(
        nextId(client, "ljava-strong", SequencerOptions.AutoIncrement.STRONG) + 1,
        nextId(client, "ljava-strong", SequencerOptions.AutoIncrement.STRONG)));
  }

  private static void stubCases(RuntimeBlockingStub stub) {
    check("configuration/save, get, delete", () -> {
      stub.saveConfiguration(RuntimeProto.SaveConfigurationRequest.newBuilder().setStoreName("configstore").setAppId("layotto-java")
          .addItems(RuntimeProto.ConfigurationItem.newBuilder().setKey("colour").setContent("blue").setGroup("ui").setLabel("prod")).build());
      RuntimeProto.GetConfigurationRequest get = RuntimeProto.GetConfigurationRequest.newBuilder().setStoreName("configstore")
          .setAppId("layotto-java").addKeys("colour").setGroup("ui").setLabel("prod").build();
      equal(stub.getConfiguration(get).getItems(0).getContent(), "blue");
      stub.deleteConfiguration(RuntimeProto.DeleteConfigurationRequest.newBuilder().setStoreName("configstore")
          .setAppId("layotto-java").addKeys("colour").setGroup("ui").setLabel("prod").build());
      equal(stub.getConfiguration(get).getItemsCount(), 0);
    });
    check("lock/try, refuse, unlock", () -> {
      RuntimeProto.TryLockRequest lock = RuntimeProto.TryLockRequest.newBuilder().setStoreName("lockstore").setResourceId("ljava-r")
          .setExpire(60).setLockOwner("me").build();
      RuntimeProto.UnlockRequest unlock = RuntimeProto.UnlockRequest.newBuilder().setStoreName("lockstore").setResourceId("ljava-r")
          .setLockOwner("me").build();
      equal(stub.tryLock(lock).getSuccess(), true);
      equal(stub.tryLock(lock.toBuilder().setLockOwner("you").build()).getSuccess(), false);
      equal(stub.unlock(unlock.toBuilder().setLockOwner("you").build()).getStatusValue(), 2);
      equal(stub.unlock(unlock).getStatusValue(), 0);
      equal(stub.unlock(unlock).getStatusValue(), 1);
    });
  }

  /** Files are not served yet: each call says so instead of hanging or answering nothing. */
  private static void fileCases(RuntimeClient client) {
    check("file/put says that it is not served", () -> {
      PutFileRequest request = new PutFileRequest();
      request.setStoreName("files");
      request.setFileName("a.txt");
      request.setMetaData(new HashMap<>());
      request.setIn(new ByteArrayInputStream(bytes("content")));
      notServed("PutFile", () -> client.putFile(request, TIMEOUT_MS));
    });
    check("file/get says that it is not served", () -> {
      GetFileRequest request = new GetFileRequest();
      request.setStoreName("files");
      request.setFileName("a.txt");
      request.setMetaData(new HashMap<>());
      notServed("GetFile", () -> {
        // The reader either throws the status, or (the SDK pipes an error's text as content) yields its sentence.
        String content = text(client.getFile(request, TIMEOUT_MS).getIn().readAllBytes());
        if (content.contains("UNIMPLEMENTED")) {
          throw Status.UNIMPLEMENTED.withDescription(content).asRuntimeException();
        }
      });
    });
    check("file/list, stat and delete say that they are not served", () -> {
      ListFileRequest list = new ListFileRequest();
      list.setStoreName("files");
      list.setName("a");
      list.setMarker("");
      list.setPageSize(10);
      list.setMetaData(new HashMap<>());
      notServed("ListFile", () -> client.listFile(list, TIMEOUT_MS));
      GetMetaRequest stat = new GetMetaRequest();
      stat.setStoreName("files");
      stat.setFileName("a.txt");
      stat.setMetaData(new HashMap<>());
      notServed("GetFileMeta", () -> client.getFileMeta(stat, TIMEOUT_MS));
      DelFileRequest delete = new DelFileRequest();
      delete.setStoreName("files");
      delete.setFileName("a.txt");
      delete.setMetaData(new HashMap<>());
      notServed("DelFile", () -> client.delFile(delete, TIMEOUT_MS));
    });
  }

  private static void notServed(String method, Check call) {
    String description = fails(call, Status.Code.UNIMPLEMENTED).getDescription();
    if (description == null || !description.contains(method)) {
      throw new AssertionError("the sentence does not name " + method + ": " + description);
    }
  }

  private static GrpcRuntimeClient clientOf(String port) {
    return new RuntimeClientBuilder().withIp("127.0.0.1").withPort(Integer.parseInt(port)).withTimeout(TIMEOUT_MS).buildGrpc();
  }

  public static void main(String[] args) throws Exception {
    startCallbacks();
    startInvokedApp();
    GrpcRuntimeClient client = clientOf(System.getenv("runtime_GRPC_PORT"));
    GrpcRuntimeClient other = clientOf(System.getenv("OTHER_LAYOTTO_PORT"));
    awaitSubscribed();
    check("hello/say hello", () -> equal(client.sayHello("helloworld"), "greeting, helloworld"));
    stateCases(client);
    pubsubCases(client, other);
    invokeCases(client);
    sequencerCases(client);
    stubCases(client.getStubManager().getBlockingStub());
    fileCases(client);
    client.shutdown();
    other.shutdown();
    System.out.println("DONE");
    System.exit(0);
  }
}
