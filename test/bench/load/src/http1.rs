//! HTTP/1.1 with keep-alive: a client that posts a body and wants it back, and the echo app that gives it back.

use crate::args::Args;
use crate::grpc::precise_sleep;
use crate::run::Run;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads one message: its head (lower case) and its body. Chunked bodies are joined.
async fn read_message(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<(String, Vec<u8>)>, String> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if fill(socket, buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err("the peer closed inside a head".to_string()) };
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
    buffer.drain(..head_end);
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if header("transfer-encoding:") == Some("chunked") {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = buffer.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                need(socket, buffer, buffer.len() + 1).await?;
            };
            let size = usize::from_str_radix(String::from_utf8_lossy(&buffer[..line_end]).trim(), 16).map_err(|error| error.to_string())?;
            need(socket, buffer, line_end + 2 + size + 2).await?;
            body.extend_from_slice(&buffer[line_end + 2..line_end + 2 + size]);
            buffer.drain(..line_end + 2 + size + 2);
            if size == 0 {
                return Ok(Some((head, body)));
            }
        }
    }
    let length: usize = header("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
    need(socket, buffer, length).await?;
    Ok(Some((head, buffer.drain(..length).collect())))
}

async fn fill(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<usize, String> {
    buffer.reserve(16 * 1024);
    socket.read_buf(buffer).await.map_err(|error| error.to_string())
}

async fn need(socket: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Result<(), String> {
    while buffer.len() < length {
        if fill(socket, buffer).await? == 0 {
            return Err("the peer closed inside a body".to_string());
        }
    }
    Ok(())
}

struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

async fn perform(connection: &mut Connection, request: &[u8], payload: &[u8]) -> Result<(), String> {
    connection.socket.write_all(request).await.map_err(|error| error.to_string())?;
    let answer = read_message(&mut connection.socket, &mut connection.buffer).await?;
    let (head, body) = answer.ok_or("the peer closed")?;
    if !head.starts_with("http/1.1 200") {
        return Err(format!("{} {}", head.lines().next().unwrap_or(""), String::from_utf8_lossy(&body)));
    }
    if body != payload {
        return Err(format!("a body of {} bytes came back, {} were sent", body.len(), payload.len()));
    }
    Ok(())
}

/// A function, so that the borrow ends before the value is used.
fn pop<T>(queue: &RefCell<VecDeque<T>>) -> Option<T> {
    queue.borrow_mut().pop_front()
}

pub fn client(args: &Args) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let (port, conns, rate) = (args.port(), args.count("conns", 1), args.number("rate", 0.0));
    let payload = Rc::new(vec![b'x'; args.count("value", 1024)]);
    let mut request = format!(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        args.text("path", "/"),
        payload.len()
    )
    .into_bytes();
    request.extend_from_slice(&payload);
    let request = Rc::new(request);
    let run = Rc::new(RefCell::new(Run::new(args)));
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let idle = Rc::new(RefCell::new(VecDeque::new()));
        for _ in 0..conns {
            let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
            socket.set_nodelay(true).expect("nodelay");
            idle.borrow_mut().push_back(Connection { socket, buffer: Vec::new() });
        }
        let (warmup, duration) = (run.borrow().warmup, run.borrow().duration);
        if rate == 0.0 {
            while let Some(mut connection) = pop(&idle) {
                let (run, request, payload) = (run.clone(), request.clone(), payload.clone());
                tokio::task::spawn_local(async move {
                    loop {
                        let started = Instant::now();
                        let outcome = perform(&mut connection, &request, &payload).await;
                        let broken = outcome.is_err();
                        run.borrow_mut().record(started, outcome);
                        if broken {
                            return;
                        }
                    }
                });
            }
            tokio::time::sleep(warmup).await;
            run.borrow_mut().begin();
            tokio::time::sleep(duration).await;
        } else {
            let began = Instant::now();
            let mut measuring = false;
            let overdue: Rc<RefCell<VecDeque<Instant>>> = Rc::default();
            for number in 0.. {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                precise_sleep(due).await;
                if !measuring && began.elapsed() >= warmup {
                    measuring = true;
                    run.borrow_mut().begin();
                }
                if began.elapsed() >= warmup + duration {
                    break;
                }
                overdue.borrow_mut().push_back(due);
                let Some(mut connection) = pop(&idle) else { continue };
                let (run, request, payload, idle, overdue) = (run.clone(), request.clone(), payload.clone(), idle.clone(), overdue.clone());
                tokio::task::spawn_local(async move {
                    while let Some(due) = pop(&overdue) {
                        let outcome = perform(&mut connection, &request, &payload).await;
                        let broken = outcome.is_err();
                        run.borrow_mut().record(due, outcome);
                        if broken {
                            return;
                        }
                    }
                    idle.borrow_mut().push_back(connection);
                });
            }
        }
        run.borrow().print();
    });
    std::process::exit(0);
}

pub fn echo(args: &Args) {
    let port = args.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bind");
        println!("listening on {}", listener.local_addr().expect("address").port());
        loop {
            let Ok((mut socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            tokio::task::spawn_local(async move {
                let mut buffer = Vec::new();
                while let Ok(Some((head, body))) = read_message(&mut socket, &mut buffer).await {
                    let missing = head.contains(" /dapr/");
                    let status = if missing { "404 Not Found" } else { "200 OK" };
                    let body = if missing { Vec::new() } else { body };
                    let mut answer =
                        format!("HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
                    answer.extend_from_slice(&body);
                    if socket.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}
