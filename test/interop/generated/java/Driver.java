import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import io.dapr.v1.CommonProtos;
import io.dapr.v1.DaprConfigurationProtos;
import io.dapr.v1.DaprGrpc;
import io.dapr.v1.DaprStateProtos;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import spec.proto.runtime.v1.RuntimeGrpc;
import spec.proto.runtime.v1.RuntimeProto;

/**
 * Drives the Java client that is generated from this repository's protos, both packages of it, against a running sidecar.
 * Environment: DAPR_GRPC_PORT. Prints one line per case: {@code CASE package/case ok} or {@code CASE package/case FAILED reason}.
 */
public final class Driver {
  private static final long WAIT_SECONDS = 20;
  private static final long AGAIN_MILLIS = 100;
  /** Not UTF-8: a client must take it for bytes. */
  private static final ByteString VALUE = ByteString.copyFrom(new byte[] {0, -1, 'j', 'a', 'v', 'a'});

  private interface Check {
    void run() throws Exception;
  }

  private Driver() {}

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

  private static StatusRuntimeException failure(Check call) throws Exception {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      return error;
    }
    throw new AssertionError("the call succeeded");
  }

  private static void missingStore(StatusRuntimeException error) {
    equal(error.getStatus().getCode(), Status.Code.INVALID_ARGUMENT);
    equal(error.getStatus().getDescription(), "state store nostore is not found");
  }

  private static DaprGrpc.DaprBlockingStub dapr(ManagedChannel channel) {
    return DaprGrpc.newBlockingStub(channel).withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private static RuntimeGrpc.RuntimeBlockingStub layotto(ManagedChannel channel) {
    return RuntimeGrpc.newBlockingStub(channel).withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private static void daprCases(ManagedChannel channel) {
    check("dapr/save and get", () -> {
      dapr(channel).saveState(DaprStateProtos.SaveStateRequest.newBuilder().setStoreName("statestore")
          .addStates(CommonProtos.StateItem.newBuilder().setKey("dapr-java").setValue(VALUE)).build());
      DaprStateProtos.GetStateResponse got = dapr(channel).getState(
          DaprStateProtos.GetStateRequest.newBuilder().setStoreName("statestore").setKey("dapr-java").build());
      equal(got.getData(), VALUE);
      equal(got.getEtag().isEmpty(), false);
    });
    check("dapr/missing store, with its reason in the details", () -> {
      StatusRuntimeException error = failure(() -> dapr(channel).getState(
          DaprStateProtos.GetStateRequest.newBuilder().setStoreName("nostore").setKey("k").build()));
      missingStore(error);
      List<String> reasons = new ArrayList<>();
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          reasons.add(detail.unpack(ErrorInfo.class).getReason());
        }
      }
      equal(reasons, List.of("DAPR_STATE_NOT_FOUND"));
    });
    check("dapr/watch a configuration: id, change, end", () -> {
      Iterator<DaprConfigurationProtos.SubscribeConfigurationResponse> stream = dapr(channel).subscribeConfiguration(
          DaprConfigurationProtos.SubscribeConfigurationRequest.newBuilder().setStoreName("configstore")
              .addKeys("dapr-java").build());
      DaprConfigurationProtos.SubscribeConfigurationResponse first = stream.next();
      equal(first.getId().isEmpty(), false);
      equal(first.getItemsCount(), 0);
      layotto(channel).saveConfiguration(RuntimeProto.SaveConfigurationRequest.newBuilder().setStoreName("configstore")
          .addItems(RuntimeProto.ConfigurationItem.newBuilder().setKey("dapr-java").setContent("green")).build());
      DaprConfigurationProtos.SubscribeConfigurationResponse second = stream.next();
      equal(second.getId(), first.getId());
      equal(second.getItemsOrThrow("dapr-java").getValue(), "green");
      equal(dapr(channel).unsubscribeConfiguration(DaprConfigurationProtos.UnsubscribeConfigurationRequest.newBuilder()
          .setStoreName("configstore").setId(first.getId()).build()).getOk(), true);
      equal(stream.hasNext(), false);
    });
  }

  private static long nextId(ManagedChannel channel) {
    return layotto(channel).getNextId(RuntimeProto.GetNextIdRequest.newBuilder().setStoreName("sequencer").setKey("java")
        .setOptions(RuntimeProto.SequencerOptions.newBuilder()
            .setIncrement(RuntimeProto.SequencerOptions.AutoIncrement.STRONG)).build()).getNextId();
  }

  private static void layottoCases(ManagedChannel channel) {
    check("layotto/save and get", () -> {
      layotto(channel).saveState(RuntimeProto.SaveStateRequest.newBuilder().setStoreName("statestore")
          .addStates(RuntimeProto.StateItem.newBuilder().setKey("layotto-java").setValue(VALUE)).build());
      RuntimeProto.GetStateResponse got = layotto(channel).getState(
          RuntimeProto.GetStateRequest.newBuilder().setStoreName("statestore").setKey("layotto-java").build());
      equal(got.getData(), VALUE);
      equal(got.getEtag().isEmpty(), false);
    });
    check("layotto/missing store", () -> missingStore(failure(() -> layotto(channel).getState(
        RuntimeProto.GetStateRequest.newBuilder().setStoreName("nostore").setKey("k").build()))));
    check("layotto/watch a configuration: change", () -> {
      CompletableFuture<RuntimeProto.SubscribeConfigurationResponse> message = new CompletableFuture<>();
      StreamObserver<RuntimeProto.SubscribeConfigurationRequest> requests = RuntimeGrpc.newStub(channel)
          .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
          .subscribeConfiguration(new StreamObserver<>() {
            @Override
            public void onNext(RuntimeProto.SubscribeConfigurationResponse response) {
              message.complete(response);
            }

            @Override
            public void onError(Throwable error) {
              message.completeExceptionally(error);
            }

            @Override
            public void onCompleted() {
              message.completeExceptionally(new AssertionError("the stream ended"));
            }
          });
      requests.onNext(RuntimeProto.SubscribeConfigurationRequest.newBuilder().setStoreName("configstore").setAppId("java")
          .addKeys("colour").build());
      RuntimeProto.SubscribeConfigurationResponse first = null;
      // Layotto's stream does not say from when on it watches: change the value until it tells of one.
      for (int count = 0; first == null; count++) {
        layotto(channel).saveConfiguration(RuntimeProto.SaveConfigurationRequest.newBuilder().setStoreName("configstore")
            .setAppId("java").addItems(RuntimeProto.ConfigurationItem.newBuilder().setKey("colour")
                .setContent("green " + count).putTags("by", "java")).build());
        try {
          first = message.get(AGAIN_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException notYet) {
          // Once more.
        }
      }
      requests.onCompleted();
      RuntimeProto.ConfigurationItem item = first.getItems(0);
      equal(first.getAppId(), "java");
      equal(item.getKey(), "colour");
      equal(item.getContent().startsWith("green "), true);
      equal(item.getTagsOrThrow("by"), "java");
    });
    check("layotto/next ids follow each other", () -> {
      long first = nextId(channel);
      equal(first > 0, true);
      equal(nextId(channel), first + 1);
    });
  }

  public static void main(String[] arguments) {
    ManagedChannel channel = ManagedChannelBuilder
        .forAddress("127.0.0.1", Integer.parseInt(System.getenv("DAPR_GRPC_PORT"))).usePlaintext().build();
    try {
      daprCases(channel);
      layottoCases(channel);
    } finally {
      channel.shutdownNow();
    }
    System.out.println("DONE");
  }
}
