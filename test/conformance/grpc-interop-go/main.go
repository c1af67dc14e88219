// grpc-go's own interop client and server, as published in google.golang.org/grpc/interop, behind two commands:
//
//	serve                                prints "listening on <port>" and serves grpc.testing.TestService
//	call <address> <case> [name=value…]  runs one case; the pairs are sent as metadata with every call
//
// A case that ends in "/gzip" is the case with compressed requests; it passes only if compressed messages were seen in
// the directions that carry large ones. The interop package ends the process when a case fails.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

const caseTimeout = 20 * time.Second

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("%v", err)
	}
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		fail("%v", err)
	}
}

// compression counts the messages that were smaller on the wire than their content.
type compression struct{ sent, received atomic.Int32 }

func (c *compression) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *compression) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *compression) HandleConn(context.Context, stats.ConnStats)                       {}
func (c *compression) HandleRPC(_ context.Context, event stats.RPCStats) {
	switch payload := event.(type) {
	case *stats.OutPayload:
		if payload.CompressedLength < payload.Length {
			c.sent.Add(1)
		}
	case *stats.InPayload:
		if payload.CompressedLength < payload.Length {
			c.received.Add(1)
		}
	}
}

func call(address, name string, fields []string) {
	seen := &compression{}
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(seen)}
	if len(fields) > 0 {
		pairs := []string{}
		for _, field := range fields {
			key, value, _ := strings.Cut(field, "=")
			pairs = append(pairs, key, value)
		}
		options = append(options,
			grpc.WithUnaryInterceptor(func(ctx context.Context, method string, in, out any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				return invoke(metadata.AppendToOutgoingContext(ctx, pairs...), method, in, out, cc, opts...)
			}),
			grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				return stream(metadata.AppendToOutgoingContext(ctx, pairs...), desc, cc, method, opts...)
			}))
	}
	connection, err := grpc.NewClient(address, options...)
	if err != nil {
		fail("%v", err)
	}
	defer connection.Close()
	client := testgrpc.NewTestServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	base, compressed := strings.CutSuffix(name, "/gzip")
	args := []grpc.CallOption{}
	if compressed {
		args = append(args, grpc.UseCompressor(gzip.Name))
	}
	switch base {
	case "empty_unary":
		interop.DoEmptyUnaryCall(ctx, client, args...)
	case "large_unary":
		interop.DoLargeUnaryCall(ctx, client, args...)
	case "client_streaming":
		interop.DoClientStreaming(ctx, client, args...)
	case "server_streaming":
		interop.DoServerStreaming(ctx, client, args...)
	case "ping_pong":
		interop.DoPingPong(ctx, client, args...)
	case "empty_stream":
		interop.DoEmptyStream(ctx, client, args...)
	case "timeout_on_sleeping_server":
		interop.DoTimeoutOnSleepingServer(ctx, client, args...)
	case "cancel_after_begin":
		interop.DoCancelAfterBegin(ctx, client, args...)
	case "cancel_after_first_response":
		interop.DoCancelAfterFirstResponse(ctx, client, args...)
	case "status_code_and_message":
		interop.DoStatusCodeAndMessage(ctx, client, args...)
	case "special_status_message":
		interop.DoSpecialStatusMessage(ctx, client, args...)
	case "custom_metadata":
		interop.DoCustomMetadata(ctx, client, args...)
	case "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, connection)
	case "unimplemented_service":
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(connection))
	default:
		fail("unknown case %q", name)
	}
	largeSent, largeReceived := base != "server_streaming", base != "client_streaming"
	if compressed && (largeSent && seen.sent.Load() == 0 || largeReceived && seen.received.Load() == 0) {
		fail("compressed messages: %d sent, %d received", seen.sent.Load(), seen.received.Load())
	}
	fmt.Println("passed", name)
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) >= 4 && os.Args[1] == "call":
		call(os.Args[2], os.Args[3], os.Args[4:])
	default:
		fail("usage: %s serve | call <address> <case> [name=value…]", os.Args[0])
	}
}
