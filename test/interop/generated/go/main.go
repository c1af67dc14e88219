// Drives the Go client that is generated from this repository's protos, both packages of it, against a running sidecar.
//
// Environment: DAPR_GRPC_PORT. Prints one line per case: `CASE package/case ok` or `CASE package/case FAILED reason`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	daprcommon "outrigger/sdks/go/gen/dapr/proto/common/v1"
	dapr "outrigger/sdks/go/gen/dapr/proto/runtime/v1"
	layotto "outrigger/sdks/go/gen/spec/proto/runtime/v1"
)

const (
	wait  = 20 * time.Second
	again = 100 * time.Millisecond
)

// Not UTF-8: a client must take it for bytes.
var value = []byte{0x00, 0xff, 'g', 'o'}

func check(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
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

func missingStore(err error) error {
	return equal(fmt.Sprintln(status.Code(err), status.Convert(err).Message()), fmt.Sprintln(codes.InvalidArgument, "state store nostore is not found"))
}

func daprCases(client dapr.DaprClient, writer layotto.RuntimeClient) {
	check("dapr/save and get", func(ctx context.Context) error {
		items := []*daprcommon.StateItem{{Key: "dapr-go", Value: value}}
		if _, err := client.SaveState(ctx, &dapr.SaveStateRequest{StoreName: "statestore", States: items}); err != nil {
			return err
		}
		got, err := client.GetState(ctx, &dapr.GetStateRequest{StoreName: "statestore", Key: "dapr-go"})
		if err != nil {
			return err
		}
		return errors.Join(equal(got.Data, value), equal(got.Etag != "", true))
	})
	check("dapr/missing store, with its reason in the details", func(ctx context.Context) error {
		_, err := client.GetState(ctx, &dapr.GetStateRequest{StoreName: "nostore", Key: "k"})
		reasons := ""
		for _, detail := range status.Convert(err).Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok {
				reasons += info.Reason
			}
		}
		return errors.Join(missingStore(err), equal(reasons, "DAPR_STATE_NOT_FOUND"))
	})
	check("dapr/watch a configuration: id, change, end", func(ctx context.Context) error {
		stream, err := client.SubscribeConfiguration(ctx, &dapr.SubscribeConfigurationRequest{StoreName: "configstore", Keys: []string{"dapr-go"}})
		if err != nil {
			return err
		}
		first, err := stream.Recv()
		if err != nil {
			return err
		}
		if first.Id == "" || len(first.Items) != 0 {
			return fmt.Errorf("the first message is %v", first)
		}
		items := []*layotto.ConfigurationItem{{Key: "dapr-go", Content: "green"}}
		if _, err := writer.SaveConfiguration(ctx, &layotto.SaveConfigurationRequest{StoreName: "configstore", Items: items}); err != nil {
			return err
		}
		second, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := errors.Join(equal(second.Id, first.Id), equal(second.Items["dapr-go"].GetValue(), "green")); err != nil {
			return err
		}
		ended, err := client.UnsubscribeConfiguration(ctx, &dapr.UnsubscribeConfigurationRequest{StoreName: "configstore", Id: first.Id})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return errors.Join(equal(ended.Ok, true), equal(err, io.EOF))
	})
}

func layottoCases(client layotto.RuntimeClient) {
	check("layotto/save and get", func(ctx context.Context) error {
		items := []*layotto.StateItem{{Key: "layotto-go", Value: value}}
		if _, err := client.SaveState(ctx, &layotto.SaveStateRequest{StoreName: "statestore", States: items}); err != nil {
			return err
		}
		got, err := client.GetState(ctx, &layotto.GetStateRequest{StoreName: "statestore", Key: "layotto-go"})
		if err != nil {
			return err
		}
		return errors.Join(equal(got.Data, value), equal(got.Etag != "", true))
	})
	check("layotto/missing store", func(ctx context.Context) error {
		_, err := client.GetState(ctx, &layotto.GetStateRequest{StoreName: "nostore", Key: "k"})
		return missingStore(err)
	})
	check("layotto/watch a configuration: change", func(ctx context.Context) error {
		stream, err := client.SubscribeConfiguration(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&layotto.SubscribeConfigurationRequest{StoreName: "configstore", AppId: "go", Keys: []string{"colour"}}); err != nil {
			return err
		}
		type message struct {
			response *layotto.SubscribeConfigurationResponse
			err      error
		}
		messages := make(chan message, 1)
		go func() {
			response, err := stream.Recv()
			messages <- message{response, err}
		}()
		// Layotto's stream does not say from when on it watches: change the value until it tells of one.
		for n := 0; ; n++ {
			items := []*layotto.ConfigurationItem{{Key: "colour", Content: fmt.Sprintf("green %d", n), Tags: map[string]string{"by": "go"}}}
			if _, err := client.SaveConfiguration(ctx, &layotto.SaveConfigurationRequest{StoreName: "configstore", AppId: "go", Items: items}); err != nil {
				return err
			}
			select {
			case first := <-messages:
				if first.err != nil {
					return first.err
				}
				item := first.response.GetItems()[0]
				return errors.Join(
					equal(first.response.AppId, "go"),
					equal(item.Key, "colour"),
					equal(strings.HasPrefix(item.Content, "green "), true),
					equal(item.Tags["by"], "go"),
					stream.CloseSend(),
				)
			case <-time.After(again):
			}
		}
	})
	check("layotto/next ids follow each other", func(ctx context.Context) error {
		next := func() (int64, error) {
			got, err := client.GetNextId(ctx, &layotto.GetNextIdRequest{
				StoreName: "sequencer",
				Key:       "go",
				Options:   &layotto.SequencerOptions{Increment: layotto.SequencerOptions_STRONG},
			})
			return got.GetNextId(), err
		}
		first, err := next()
		if err != nil {
			return err
		}
		second, err := next()
		if err != nil {
			return err
		}
		return errors.Join(equal(first > 0, true), equal(second, first+1))
	})
}

func main() {
	connection, err := grpc.NewClient("127.0.0.1:"+os.Getenv("DAPR_GRPC_PORT"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	daprCases(dapr.NewDaprClient(connection), layotto.NewRuntimeClient(connection))
	layottoCases(layotto.NewRuntimeClient(connection))
	fmt.Println("DONE")
}
