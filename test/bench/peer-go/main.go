// The peer of the cost table: a bare grpc-go server that answers GetState and SaveState from a map. It does what every
// gRPC server in Go does at least, and nothing that a sidecar does besides: no stores, policies, metrics, tracing.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

type server struct {
	runtimev1.UnimplementedDaprServer
	mutex  sync.RWMutex
	values map[string][]byte
}

func (s *server) GetState(_ context.Context, request *runtimev1.GetStateRequest) (*runtimev1.GetStateResponse, error) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return &runtimev1.GetStateResponse{Data: s.values[request.Key], Etag: "1"}, nil
}

func (s *server) SaveState(_ context.Context, request *runtimev1.SaveStateRequest) (*emptypb.Empty, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, item := range request.States {
		s.values[item.Key] = item.Value
	}
	return &emptypb.Empty{}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	grpcServer := grpc.NewServer()
	runtimev1.RegisterDaprServer(grpcServer, &server{values: map[string][]byte{}})
	fmt.Println("listening on", listener.Addr().(*net.TCPAddr).Port)
	if err := grpcServer.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
