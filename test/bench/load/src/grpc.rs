//! gRPC client over cleartext HTTP/2: closed loop (so many connections, so many streams each) or open loop (requests at
//! fixed times; the latency counts from the time a request was due, so that a stalled server is not flattered).

use crate::args::Args;
use crate::run::Run;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

/// Makes requests and judges answers. Shared by all streams of one thread.
pub trait Load: 'static {
    /// What is sent before the clock runs.
    fn prepare(&mut self) -> Vec<Call>;
    fn next(&mut self) -> Call;
    /// `message` is the answer without its gRPC prefix.
    fn check(&mut self, call: &Call, message: &[u8]) -> Result<(), String>;
}

pub struct Call {
    pub path: &'static str,
    /// With the five bytes of the gRPC prefix.
    pub body: Bytes,
    /// Whatever the load wants to know when the answer comes.
    pub tag: usize,
}

pub fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(message.len() + 5);
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.put_slice(message);
    body.freeze()
}

async fn exchange(sender: &mut SendRequest<Bytes>, call: &Call) -> Result<BytesMut, String> {
    let text = |error: h2::Error| error.to_string();
    *sender = sender.clone().ready().await.map_err(text)?;
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("http://127.0.0.1{}", call.path))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "outrigger-load")
        .body(())
        .map_err(|error| error.to_string())?;
    let (response, mut stream) = sender.send_request(request, false).map_err(text)?;
    stream.send_data(call.body.clone(), true).map_err(text)?;
    let response = response.await.map_err(text)?;
    let status = |headers: &http::HeaderMap| {
        headers.get("grpc-status").map(|code| {
            let message = headers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or("");
            (code.to_str().unwrap_or("?").to_string(), message.to_string())
        })
    };
    let mut outcome = status(response.headers());
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(text)?;
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
    }
    if outcome.is_none() {
        outcome = body.trailers().await.map_err(text)?.as_ref().and_then(status);
    }
    match outcome {
        Some((code, _)) if code == "0" => Ok(bytes),
        Some((code, message)) => Err(format!("grpc-status {code} {message}")),
        None => Err("no grpc-status".to_string()),
    }
}

async fn perform<L: Load>(load: &Rc<RefCell<L>>, sender: &mut SendRequest<Bytes>, call: &Call) -> Result<(), String> {
    let answer = exchange(sender, call).await?;
    if answer.len() < 5 {
        return Err(format!("an answer of {} bytes", answer.len()));
    }
    load.borrow_mut().check(call, &answer[5..])
}

pub fn client<L: Load>(args: &Args, load: L) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let conns = args.count("conns", 1);
    let streams = args.count("streams", 1);
    let rate = args.number("rate", 0.0);
    let port = args.port();
    let run = Rc::new(RefCell::new(Run::new(args)));
    let load = Rc::new(RefCell::new(load));
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let mut senders = Vec::new();
        for _ in 0..conns {
            let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
            socket.set_nodelay(true).expect("nodelay");
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24).enable_push(false);
            let (sender, connection) = builder.handshake::<_, Bytes>(socket).await.expect("handshake");
            tokio::task::spawn_local(async move {
                if let Err(error) = connection.await {
                    eprintln!("connection: {error}");
                }
            });
            senders.push(sender);
        }
        let preparation = load.borrow_mut().prepare();
        for (index, call) in preparation.iter().enumerate() {
            if let Err(reason) = perform(&load, &mut senders[index % conns], call).await {
                panic!("preparing: {reason}");
            }
        }
        if rate > 0.0 {
            open_loop(&run, &load, &senders, rate).await;
        } else {
            for index in 0..conns * streams {
                let (run, load, mut sender) = (run.clone(), load.clone(), senders[index % conns].clone());
                tokio::task::spawn_local(async move {
                    loop {
                        let call = load.borrow_mut().next();
                        let started = Instant::now();
                        let outcome = perform(&load, &mut sender, &call).await;
                        run.borrow_mut().record(started, outcome);
                    }
                });
            }
            let (warmup, duration) = (run.borrow().warmup, run.borrow().duration);
            tokio::time::sleep(warmup).await;
            run.borrow_mut().begin();
            tokio::time::sleep(duration).await;
        }
        run.borrow().print();
    });
    std::process::exit(0);
}

async fn open_loop<L: Load>(run: &Rc<RefCell<Run>>, load: &Rc<RefCell<L>>, senders: &[SendRequest<Bytes>], rate: f64) {
    let (warmup, duration) = (run.borrow().warmup, run.borrow().duration);
    let began = Instant::now();
    let mut measuring = false;
    for number in 0.. {
        let due = began + std::time::Duration::from_secs_f64(number as f64 / rate);
        precise_sleep(due).await;
        if !measuring && began.elapsed() >= warmup {
            measuring = true;
            run.borrow_mut().begin();
        }
        if began.elapsed() >= warmup + duration {
            return;
        }
        let (run, load, mut sender) = (run.clone(), load.clone(), senders[number % senders.len()].clone());
        tokio::task::spawn_local(async move {
            let call = load.borrow_mut().next();
            let outcome = perform(&load, &mut sender, &call).await;
            run.borrow_mut().record(due, outcome);
        });
    }
}

/// tokio's timer ticks in milliseconds; a timerfd wakes in microseconds.
pub async fn precise_sleep(until: Instant) {
    thread_local! {
        static TIMER: tokio::io::unix::AsyncFd<OwnedFd> = {
            let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
            assert!(fd >= 0, "timerfd");
            unsafe { tokio::io::unix::AsyncFd::register(OwnedFd::from_raw_fd(fd)) }.expect("timerfd")
        };
    }
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        tokio::task::yield_now().await;
        return;
    }
    let fd = TIMER.with(|timer| timer.get_ref().as_raw_fd());
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let value = libc::timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos() as i64 };
    let spec = libc::itimerspec { it_interval: zero, it_value: value };
    unsafe { libc::timerfd_settime(fd, 0, &spec, std::ptr::null_mut()) };
    std::future::poll_fn(|context| {
        TIMER.with(|timer| match timer.poll_read_ready(context) {
            std::task::Poll::Ready(guard) => {
                let mut ticks = 0u64;
                let read = unsafe { libc::read(fd, &mut ticks as *mut u64 as *mut _, 8) };
                if let Ok(mut guard) = guard {
                    guard.clear_ready();
                }
                if read == 8 {
                    std::task::Poll::Ready(())
                } else {
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                }
            }
            std::task::Poll::Pending => std::task::Poll::Pending,
        })
    })
    .await;
}
