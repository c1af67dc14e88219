module outrigger.dev/interop-generated

go 1.24.0

require (
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260128011058-8636f8732409
	google.golang.org/grpc v1.78.0
	outrigger/sdks/go v0.1.0
)

require (
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/sys v0.40.0 // indirect
	golang.org/x/text v0.33.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

// Where generated-clients.test.ts generates the client.
replace outrigger/sdks/go => ../../../../.cache/generated/go
