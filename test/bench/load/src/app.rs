//! The app at the far end of an invoke: answers AppCallback.OnInvoke with the bytes it was sent, and the load that calls it.

use crate::args::Args;
use crate::grpc::{framed, Call, Load};
use crate::state::{field, first_field};
use bytes::{Bytes, BytesMut};

const INVOKE: &str = "/dapr.proto.runtime.v1.Dapr/InvokeService";
const ON_INVOKE: &str = "/dapr.proto.runtime.v1.AppCallback/OnInvoke";

pub struct InvokeLoad {
    call: Bytes,
    payload: Vec<u8>,
    path: &'static str,
}

impl InvokeLoad {
    pub fn new(args: &Args) -> InvokeLoad {
        let payload = vec![b'x'; args.count("value", 128)];
        let mut any = Vec::new();
        field(&mut any, 2, &payload);
        let mut http = Vec::new();
        http.extend_from_slice(&[0x08, 3]); // HTTPExtension.verb = POST
        let mut invoke = Vec::new();
        field(&mut invoke, 1, b"echo");
        field(&mut invoke, 2, &any);
        field(&mut invoke, 3, b"application/octet-stream");
        field(&mut invoke, 4, &http);
        let app_id = args.text("app-id", "");
        if app_id.is_empty() {
            return InvokeLoad { call: framed(&invoke), payload, path: ON_INVOKE };
        }
        let mut message = Vec::new();
        field(&mut message, 1, app_id.as_bytes());
        field(&mut message, 3, &invoke);
        InvokeLoad { call: framed(&message), payload, path: INVOKE }
    }
}

impl Load for InvokeLoad {
    fn prepare(&mut self) -> Vec<Call> {
        vec![self.next()]
    }

    fn next(&mut self) -> Call {
        Call { path: self.path, body: self.call.clone(), tag: 0 }
    }

    fn check(&mut self, _call: &Call, message: &[u8]) -> Result<(), String> {
        // InvokeResponse.data is an Any; its value is field 2.
        let any = first_field(message).ok_or("an answer without data")?;
        if any.len() < self.payload.len() || !any.ends_with(&self.payload) {
            return Err("the body did not come back".to_string());
        }
        Ok(())
    }
}

/// InvokeRequest {1 method, 2 Any, 3 content type} to InvokeResponse {1 Any, 2 content type}: the Any is copied.
fn answer(request: &[u8]) -> Option<Bytes> {
    let mut rest = request;
    let mut any: &[u8] = &[];
    while !rest.is_empty() {
        let number = rest[0] >> 3;
        let content = {
            let mut view = rest.to_vec();
            view[0] = 0x0a;
            first_field(&view)?.len()
        };
        let header = rest[1..].iter().position(|byte| *byte < 128)? + 2;
        if number == 2 {
            any = rest.get(header..header + content)?;
        }
        rest = rest.get(header + content..)?;
    }
    let mut message = Vec::new();
    field(&mut message, 1, any);
    field(&mut message, 2, b"application/octet-stream");
    Some(framed(&message))
}

pub fn serve(args: &Args) {
    let port = args.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bind");
        println!("listening on {}", listener.local_addr().expect("address").port());
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            tokio::task::spawn_local(async move {
                let mut builder = h2::server::Builder::new();
                builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24).max_concurrent_streams(10_000);
                let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::task::spawn_local(callback(request, respond));
                }
            });
        }
    });
}

async fn callback(request: http::Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let invoke = request.uri().path().ends_with("/OnInvoke");
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    let builder = http::Response::builder().status(200).header("content-type", "application/grpc");
    let reply = if invoke && bytes.len() >= 5 { answer(&bytes[5..]) } else { None };
    let Some(reply) = reply else {
        let head = builder.header("grpc-status", "12").body(()).expect("head");
        let _ = respond.send_response(head, true);
        return;
    };
    let Ok(mut stream) = respond.send_response(builder.body(()).expect("head"), false) else { return };
    let _ = stream.send_data(reply, false);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let _ = stream.send_trailers(trailers);
}
