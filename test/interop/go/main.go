// Drives the unmodified Dapr Go SDK (client and gRPC service) against running sidecars.
//
// Environment: APP_PORT, DAPR_GRPC_PORT (first sidecar), OTHER_GRPC_PORT (second sidecar of the same namespace),
// TEST_CONTROL (an HTTP address that writes configuration). Prints one line per case:
// `CASE block/case ok` or `CASE block/case FAILED reason`.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/dapr/go-sdk/service/common"
	daprd "github.com/dapr/go-sdk/service/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	store  = "statestore"
	pubsub = "pubsub"
	wait   = 20 * time.Second
)

func check(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait+10*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Printf("CASE %s FAILED %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("CASE %s ok\n", name)
}

func equal(got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("got %q, want %q", g, w)
	}
	return nil
}

func fails(err error, want ...codes.Code) error {
	if err == nil {
		return errors.New("the call succeeded")
	}
	got := status.Code(err)
	for _, code := range want {
		if got == code {
			return nil
		}
	}
	return fmt.Errorf("code %s (%v), want %v", got, err, want)
}

func receive[T any](from <-chan T) (T, error) {
	select {
	case value := <-from:
		return value, nil
	case <-time.After(wait):
		var none T
		return none, errors.New("nothing arrived in time")
	}
}

func writeConfiguration(key, value string) error {
	response, err := http.Post(os.Getenv("TEST_CONTROL")+"/configuration/"+key, "text/plain", strings.NewReader(value))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("control answered %s", response.Status)
	}
	return nil
}

type appEvents struct {
	orders  chan *common.TopicEvent
	retried chan string
	routed  chan string
	dead    chan string
	raw     chan string
	probed  chan struct{}
	mutex   sync.Mutex
	seen    map[string]bool
}

func startApp(events *appEvents) error {
	app, err := daprd.NewService("127.0.0.1:" + os.Getenv("APP_PORT"))
	if err != nil {
		return err
	}
	orders := &common.Subscription{PubsubName: pubsub, Topic: "go-orders", Route: "/orders"}
	if err := app.AddTopicEventHandler(orders, func(_ context.Context, event *common.TopicEvent) (bool, error) {
		events.orders <- event
		return false, nil
	}); err != nil {
		return err
	}
	again := &common.Subscription{PubsubName: pubsub, Topic: "go-retry", Route: "/retry"}
	if err := app.AddTopicEventHandler(again, func(_ context.Context, event *common.TopicEvent) (bool, error) {
		events.mutex.Lock()
		defer events.mutex.Unlock()
		events.retried <- event.ID
		if !events.seen[event.ID] {
			events.seen[event.ID] = true
			return true, errors.New("not yet")
		}
		return false, nil
	}); err != nil {
		return err
	}
	into := func(topic chan<- string, label string) common.TopicEventHandler {
		return func(_ context.Context, event *common.TopicEvent) (bool, error) {
			topic <- label + string(event.RawData)
			return false, nil
		}
	}
	special := &common.Subscription{PubsubName: pubsub, Topic: "go-routed", Route: "/special", Match: `event.type == "special"`, Priority: 1}
	ordinary := &common.Subscription{PubsubName: pubsub, Topic: "go-routed", Route: "/ordinary"}
	dead := &common.Subscription{PubsubName: pubsub, Topic: "go-dead", Route: "/dead"}
	raw := &common.Subscription{PubsubName: pubsub, Topic: "go-raw", Route: "/raw", Metadata: map[string]string{"rawPayload": "true"}}
	doomed := &common.Subscription{PubsubName: pubsub, Topic: "go-doomed", Route: "/doomed", DeadLetterTopic: "go-dead"}
	if err := errors.Join(
		app.AddTopicEventHandler(special, into(events.routed, "special ")),
		app.AddTopicEventHandler(ordinary, into(events.routed, "ordinary ")),
		app.AddTopicEventHandler(dead, into(events.dead, "")),
		app.AddTopicEventHandler(raw, into(events.raw, "")),
		app.AddTopicEventHandler(doomed, func(context.Context, *common.TopicEvent) (bool, error) {
			return false, errors.New("never")
		}),
		app.AddHealthCheckHandler("", func(context.Context) error {
			select {
			case events.probed <- struct{}{}:
			default:
			}
			return nil
		}),
		app.AddServiceInvocationHandler("describe", func(_ context.Context, in *common.InvocationEvent) (*common.Content, error) {
			text := fmt.Sprintf("%s %s %s %s", in.Verb, in.QueryString, in.ContentType, in.Data)
			return &common.Content{Data: []byte(text), ContentType: "text/plain"}, nil
		}),
		app.AddServiceInvocationHandler("fail", func(context.Context, *common.InvocationEvent) (*common.Content, error) {
			return nil, status.Error(codes.AlreadyExists, "taken")
		}),
	); err != nil {
		return err
	}
	if err := app.AddServiceInvocationHandler("echo", func(_ context.Context, in *common.InvocationEvent) (*common.Content, error) {
		return &common.Content{Data: in.Data, ContentType: in.ContentType}, nil
	}); err != nil {
		return err
	}
	go func() {
		if err := app.Start(); err != nil {
			fmt.Println("app:", err)
		}
	}()
	return nil
}

func stateCases(client dapr.Client) {
	value := func(ctx context.Context, key string) string {
		item, err := client.GetState(ctx, store, key, nil)
		if err != nil {
			return err.Error()
		}
		return string(item.Value)
	}
	check("state/save and get", func(ctx context.Context) error {
		if err := client.SaveState(ctx, store, "go-1", []byte("value one"), nil); err != nil {
			return err
		}
		item, err := client.GetState(ctx, store, "go-1", nil)
		if err != nil {
			return err
		}
		if item.Etag == "" {
			return errors.New("no etag")
		}
		return equal(string(item.Value), "value one")
	})
	check("state/missing key is empty", func(ctx context.Context) error { return equal(value(ctx, "go-none"), "") })
	check("state/bulk save and bulk get", func(ctx context.Context) error {
		items := []*dapr.SetStateItem{{Key: "go-b1", Value: []byte("1")}, {Key: "go-b2", Value: []byte("2")}}
		if err := client.SaveBulkState(ctx, store, items...); err != nil {
			return err
		}
		got, err := client.GetBulkState(ctx, store, []string{"go-b1", "go-b2", "go-b3"}, nil, 10)
		if err != nil {
			return err
		}
		values := map[string]string{}
		for _, item := range got {
			values[item.Key] = string(item.Value)
		}
		return equal(values, map[string]string{"go-b1": "1", "go-b2": "2", "go-b3": ""})
	})
	check("state/bulk delete", func(ctx context.Context) error {
		if err := client.DeleteBulkState(ctx, store, []string{"go-b1", "go-b2"}, nil); err != nil {
			return err
		}
		return equal(value(ctx, "go-b1")+value(ctx, "go-b2"), "")
	})
	check("state/etag mismatch is ABORTED", func(ctx context.Context) error {
		if err := client.SaveState(ctx, store, "go-e", []byte("x"), nil); err != nil {
			return err
		}
		err := client.SaveStateWithETag(ctx, store, "go-e", []byte("y"), "0", nil, dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite))
		if wrong := fails(err, codes.Aborted); wrong != nil {
			return wrong
		}
		return equal(value(ctx, "go-e"), "x")
	})
	check("state/etag guards delete", func(ctx context.Context) error {
		err := client.DeleteStateWithETag(ctx, store, "go-e", &dapr.ETag{Value: "0"}, nil, &dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite})
		if wrong := fails(err, codes.Aborted); wrong != nil {
			return wrong
		}
		item, err := client.GetState(ctx, store, "go-e", nil)
		if err != nil {
			return err
		}
		if err := client.DeleteStateWithETag(ctx, store, "go-e", &dapr.ETag{Value: item.Etag}, nil, nil); err != nil {
			return err
		}
		if err := equal(value(ctx, "go-e"), ""); err != nil {
			return err
		}
		return client.SaveState(ctx, store, "go-e", []byte("x"), nil)
	})
	check("state/transaction", func(ctx context.Context) error {
		operations := []*dapr.StateOperation{
			{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "go-t1", Value: []byte("one")}},
			{Type: dapr.StateOperationTypeDelete, Item: &dapr.SetStateItem{Key: "go-e"}},
		}
		if err := client.ExecuteStateTransaction(ctx, store, nil, operations); err != nil {
			return err
		}
		return equal(value(ctx, "go-t1")+value(ctx, "go-e"), "one")
	})
	check("state/transaction aborts as a whole", func(ctx context.Context) error {
		if err := client.SaveState(ctx, store, "go-ta", []byte("before"), nil); err != nil {
			return err
		}
		operations := []*dapr.StateOperation{
			{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "go-ta2", Value: []byte("new")}},
			{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "go-ta", Value: []byte("after"), Etag: &dapr.ETag{Value: "0"}}},
		}
		if wrong := fails(client.ExecuteStateTransaction(ctx, store, nil, operations), codes.Aborted, codes.Internal); wrong != nil {
			return wrong
		}
		return equal(value(ctx, "go-ta")+value(ctx, "go-ta2"), "before")
	})
	check("state/ttl", func(ctx context.Context) error {
		if err := client.SaveState(ctx, store, "go-ttl", []byte("x"), map[string]string{"ttlInSeconds": "1"}); err != nil {
			return err
		}
		if err := equal(value(ctx, "go-ttl"), "x"); err != nil {
			return err
		}
		for deadline := time.Now().Add(wait); value(ctx, "go-ttl") != ""; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				return errors.New("did not expire")
			}
		}
		return nil
	})
	check("state/large value, and one beyond the limit", func(ctx context.Context) error {
		large := strings.Repeat("x", 3<<20)
		if err := client.SaveState(ctx, store, "go-large", []byte(large), nil); err != nil {
			return err
		}
		if got := value(ctx, "go-large"); got != large {
			return fmt.Errorf("%d bytes came back", len(got))
		}
		if wrong := fails(client.SaveState(ctx, store, "go-large", make([]byte, 5<<20), nil), codes.ResourceExhausted); wrong != nil {
			return wrong
		}
		return client.DeleteState(ctx, store, "go-large", nil)
	})
	if os.Getenv("EMBEDDED_COMPONENTS") == "true" {
		check("state/query", func(ctx context.Context) error {
			for index, city := range []string{"Rome", "Oslo", "Rome"} {
				body := fmt.Sprintf(`{"person":{"city":%q,"index":%d}}`, city, index)
				meta := map[string]string{"contentType": "application/json"}
				if err := client.SaveState(ctx, store, fmt.Sprintf("go-q%d", index), []byte(body), meta); err != nil {
					return err
				}
			}
			query := `{"filter":{"EQ":{"person.city":"Rome"}},"sort":[{"key":"person.index","order":"DESC"}]}`
			found, err := client.QueryStateAlpha1(ctx, store, query, nil)
			if err != nil {
				return err
			}
			keys := []string{}
			for _, item := range found.Results {
				keys = append(keys, item.Key)
			}
			return equal(keys, []string{"go-q2", "go-q0"})
		})
	}
	check("state/missing store", func(ctx context.Context) error {
		_, err := client.GetState(ctx, "nostore", "k", nil)
		if wrong := fails(err, codes.InvalidArgument); wrong != nil {
			return wrong
		}
		if !strings.Contains(err.Error(), "state store nostore is not found") {
			return err
		}
		return nil
	})
}

func pubsubCases(client, other dapr.Client, events *appEvents) {
	check("pubsub/publish and receive", func(ctx context.Context) error {
		if err := client.PublishEvent(ctx, pubsub, "go-orders", map[string]int{"id": 7}); err != nil {
			return err
		}
		event, err := receive(events.orders)
		if err != nil {
			return err
		}
		return equal(string(event.RawData)+" "+event.DataContentType, `{"id":7} application/json`)
	})
	check("pubsub/retry is redelivered", func(ctx context.Context) error {
		if err := client.PublishEvent(ctx, pubsub, "go-retry", "again"); err != nil {
			return err
		}
		first, err := receive(events.retried)
		if err != nil {
			return err
		}
		second, err := receive(events.retried)
		if err != nil {
			return err
		}
		return equal(second, first)
	})
	check("pubsub/bulk publish", func(ctx context.Context) error {
		if response := client.PublishEvents(ctx, pubsub, "go-orders", []any{"a", "b", "c"}); response.Error != nil {
			return response.Error
		}
		got := map[string]bool{}
		for range 3 {
			event, err := receive(events.orders)
			if err != nil {
				return err
			}
			got[string(event.RawData)] = true
		}
		return equal(got, map[string]bool{"a": true, "b": true, "c": true})
	})
	check("pubsub/streaming subscription", func(ctx context.Context) error {
		arrived := make(chan string, 4)
		stop, err := client.SubscribeWithHandler(context.Background(), dapr.SubscriptionOptions{PubsubName: pubsub, Topic: "go-stream"},
			func(event *common.TopicEvent) common.SubscriptionResponseStatus {
				arrived <- string(event.RawData)
				return common.SubscriptionResponseStatusSuccess
			})
		if err != nil {
			return err
		}
		defer stop()
		if err := client.PublishEvent(ctx, pubsub, "go-stream", map[string]int{"n": 1}); err != nil {
			return err
		}
		data, err := receive(arrived)
		if err != nil {
			return err
		}
		return equal(data, `{"n":1}`)
	})
	check("pubsub/routing rule", func(ctx context.Context) error {
		meta := dapr.PublishEventWithMetadata(map[string]string{"cloudevent.type": "special"})
		if err := client.PublishEvent(ctx, pubsub, "go-routed", "one", meta); err != nil {
			return err
		}
		if err := client.PublishEvent(ctx, pubsub, "go-routed", "two"); err != nil {
			return err
		}
		got := map[string]bool{}
		for range 2 {
			event, err := receive(events.routed)
			if err != nil {
				return err
			}
			got[event] = true
		}
		return equal(got, map[string]bool{"special one": true, "ordinary two": true})
	})
	check("pubsub/dropped goes to the dead letter topic", func(ctx context.Context) error {
		if err := client.PublishEvent(ctx, pubsub, "go-doomed", "lost"); err != nil {
			return err
		}
		data, err := receive(events.dead)
		if err != nil {
			return err
		}
		return equal(data, "lost")
	})
	check("pubsub/raw payload", func(ctx context.Context) error {
		if err := client.PublishEvent(ctx, pubsub, "go-raw", []byte("\x00\xffraw"), dapr.PublishEventWithRawPayload()); err != nil {
			return err
		}
		data, err := receive(events.raw)
		if err != nil {
			return err
		}
		return equal(data, "\x00\xffraw")
	})
	if os.Getenv("EMBEDDED_COMPONENTS") == "true" {
		check("pubsub/published through the other sidecar", func(ctx context.Context) error {
			if err := other.PublishEvent(ctx, pubsub, "go-orders", "from afar"); err != nil {
				return err
			}
			event, err := receive(events.orders)
			if err != nil {
				return err
			}
			return equal(string(event.RawData), "from afar")
		})
	}
	check("pubsub/missing component", func(ctx context.Context) error {
		return fails(client.PublishEvent(ctx, "nopubsub", "t", "x"), codes.InvalidArgument, codes.NotFound)
	})
}

func invokeCases(client, other dapr.Client) {
	content := &dapr.DataContent{ContentType: "text/plain", Data: []byte("hello")}
	check("invoke/own app through its sidecar", func(ctx context.Context) error {
		out, err := client.InvokeMethodWithContent(ctx, "go-app", "echo", "post", content)
		if err != nil {
			return err
		}
		return equal(string(out), "hello")
	})
	check("invoke/through two sidecars", func(ctx context.Context) error {
		out, err := other.InvokeMethodWithContent(ctx, "go-app", "echo", "post", content)
		if err != nil {
			return err
		}
		return equal(string(out), "hello")
	})
	check("invoke/verb, query and content type", func(ctx context.Context) error {
		out, err := other.InvokeMethodWithContent(ctx, "go-app", "describe?a=1&b=2", "put", content)
		if err != nil {
			return err
		}
		return equal(string(out), "PUT a=1&b=2 text/plain hello")
	})
	check("invoke/the app's own error arrives", func(ctx context.Context) error {
		_, err := other.InvokeMethod(ctx, "go-app", "fail", "post")
		if wrong := fails(err, codes.AlreadyExists); wrong != nil {
			return wrong
		}
		return equal(strings.Contains(err.Error(), "taken"), true)
	})
	check("invoke/unknown app fails", func(ctx context.Context) error {
		_, err := client.InvokeMethod(ctx, "no-such-app", "echo", "post")
		return fails(err, codes.Internal, codes.Unavailable, codes.NotFound)
	})
}

func otherCases(client dapr.Client) {
	check("configuration/get", func(ctx context.Context) error {
		if err := writeConfiguration("go-c1", "blue"); err != nil {
			return err
		}
		item, err := client.GetConfigurationItem(ctx, "configstore", "go-c1")
		if err != nil {
			return err
		}
		return equal(item.Value, "blue")
	})
	check("configuration/watch", func(ctx context.Context) error {
		changes := make(chan string, 4)
		id, err := client.SubscribeConfigurationItems(ctx, "configstore", []string{"go-c2"}, func(_ string, items map[string]*dapr.ConfigurationItem) {
			for _, item := range items {
				changes <- item.Value
			}
		})
		if err != nil {
			return err
		}
		if err := writeConfiguration("go-c2", "green"); err != nil {
			return err
		}
		value, err := receive(changes)
		if err != nil {
			return err
		}
		if err := equal(value, "green"); err != nil {
			return err
		}
		return client.UnsubscribeConfigurationItems(ctx, "configstore", id)
	})
	check("configuration/missing store", func(ctx context.Context) error {
		_, err := client.GetConfigurationItem(ctx, "noconfig", "k")
		return fails(err, codes.InvalidArgument, codes.FailedPrecondition)
	})
	check("lock/try, refuse, unlock", func(ctx context.Context) error {
		try := func(owner string) bool {
			response, err := client.TryLockAlpha1(ctx, "lockstore", &dapr.LockRequest{ResourceID: "go-r", LockOwner: owner, ExpiryInSeconds: 60})
			return err == nil && response.Success
		}
		unlock := func(owner string) string {
			response, err := client.UnlockAlpha1(ctx, "lockstore", &dapr.UnlockRequest{ResourceID: "go-r", LockOwner: owner})
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(response.StatusCode)
		}
		return equal(fmt.Sprintln(try("me"), try("you"), unlock("you"), unlock("me"), unlock("me")), "true false 2 0 1\n")
	})
	check("secrets/get", func(ctx context.Context) error {
		secret, err := client.GetSecret(ctx, "secrets", "db-password", nil)
		if err != nil {
			return err
		}
		return equal(secret, map[string]string{"db-password": "pa55"})
	})
	check("secrets/bulk", func(ctx context.Context) error {
		secrets, err := client.GetBulkSecret(ctx, "secrets", nil)
		if err != nil {
			return err
		}
		return equal(secrets["db-password"], map[string]string{"db-password": "pa55"})
	})
	check("secrets/missing store", func(ctx context.Context) error {
		_, err := client.GetSecret(ctx, "nosecrets", "k", nil)
		return fails(err, codes.InvalidArgument)
	})
	check("metadata/get and set", func(ctx context.Context) error {
		if err := client.SetMetadata(ctx, "colour", "red"); err != nil {
			return err
		}
		metadata, err := client.GetMetadata(ctx)
		if err != nil {
			return err
		}
		return equal(metadata.ID+" "+metadata.ExtendedMetadata["colour"], "go-app red")
	})
}

func lastCases(client dapr.Client, events *appEvents) {
	check("health/the app is asked for its health", func(context.Context) error {
		_, err := receive(events.probed)
		return err
	})
	check("not served/bindings and jobs say so", func(ctx context.Context) error {
		_, err := client.InvokeBinding(ctx, &dapr.InvokeBindingRequest{Name: "b", Operation: "create"})
		if wrong := fails(err, codes.Unimplemented); wrong != nil {
			return wrong
		}
		_, err = client.GetJobAlpha1(ctx, "j")
		return fails(err, codes.Unimplemented)
	})
}

func main() {
	events := &appEvents{
		orders:  make(chan *common.TopicEvent, 64),
		retried: make(chan string, 64),
		routed:  make(chan string, 64),
		dead:    make(chan string, 64),
		raw:     make(chan string, 64),
		probed:  make(chan struct{}, 1),
		seen:    map[string]bool{},
	}
	if err := startApp(events); err != nil {
		fmt.Println("app:", err)
		os.Exit(1)
	}
	client, err := dapr.NewClient()
	if err != nil {
		fmt.Println("client:", err)
		os.Exit(1)
	}
	other, err := dapr.NewClientWithPort(os.Getenv("OTHER_GRPC_PORT"))
	if err != nil {
		fmt.Println("client:", err)
		os.Exit(1)
	}
	response, err := http.Post(os.Getenv("TEST_CONTROL")+"/subscribed", "text/plain", nil)
	if err != nil {
		fmt.Println("control:", err)
		os.Exit(1)
	}
	response.Body.Close()
	stateCases(client)
	pubsubCases(client, other, events)
	invokeCases(client, other)
	otherCases(client)
	lastCases(client, events)
	fmt.Println("DONE")
	os.Exit(0)
}
