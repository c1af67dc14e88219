//! rust-bolt-proxy LISTEN_PORT UPSTREAM_PORT [SERVICE]: forwards Bolt v1 over two upstream connections on loopback.
//!
//! The least a proxy in this place can do: one thread, level-triggered epoll, frames parsed in place, the `service`
//! header looked up among 1,000 names, the request id replaced by a slot number, one copy per frame, and every socket
//! written once per turn of the loop. It has no limits and no timeouts, answers nothing itself, and ends when an
//! upstream connection does: what Outrigger costs more than this is the price of being a product.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

const UPSTREAMS: usize = 2;
const ROUTES: usize = 1000;
const LISTENER: u64 = u64::MAX;
const READ_BYTES: usize = 64 * 1024;

struct Conn {
    socket: TcpStream,
    /// The beginning of a frame that a read has cut.
    partial: Vec<u8>,
    out: Vec<u8>,
    dirty: bool,
    /// Waits for EPOLLOUT.
    blocked: bool,
}

/// Who awaits the answer under a slot number, and the id it knows.
#[derive(Clone, Copy)]
struct Slot {
    conn: usize,
    generation: u32,
    id: u32,
}

struct Proxy {
    epoll: RawFd,
    /// The first UPSTREAMS are upstream connections. The generation of a place rises when it is used again.
    conns: Vec<Option<Conn>>,
    generations: Vec<u32>,
    free_conns: Vec<usize>,
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    dirty: Vec<usize>,
    routes: HashMap<Vec<u8>, usize>,
    turn: usize,
}

fn u16_at(b: &[u8], at: usize) -> usize {
    u16::from_be_bytes([b[at], b[at + 1]]) as usize
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

/// The value of `service` in a header map.
fn service(map: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while at + 4 <= map.len() {
        let key = at + 4;
        let value_len = key + u32_at(map, at) as usize;
        let value = value_len + 4;
        let end = value + u32_at(map.get(value_len..value)?, 0) as usize;
        if map.get(key..value_len)? == b"service" {
            return map.get(value..end);
        }
        at = end;
    }
    None
}

impl Proxy {
    fn watch(&self, fd: RawFd, op: i32, key: u64, write: bool) {
        let events = (libc::EPOLLIN | if write { libc::EPOLLOUT } else { 0 }) as u32;
        let mut event = libc::epoll_event { events, u64: key };
        unsafe { libc::epoll_ctl(self.epoll, op, fd, &mut event) };
    }

    fn add(&mut self, socket: TcpStream) {
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
        let place = self.free_conns.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.generations.push(0);
            self.conns.len() - 1
        });
        self.watch(socket.as_raw_fd(), libc::EPOLL_CTL_ADD, place as u64, false);
        self.conns[place] = Some(Conn {
            socket,
            partial: Vec::new(),
            out: Vec::new(),
            dirty: false,
            blocked: false,
        });
    }

    fn close(&mut self, place: usize) {
        assert!(place >= UPSTREAMS, "an upstream connection has ended");
        self.conns[place] = None;
        self.generations[place] += 1;
        self.free_conns.push(place);
    }

    fn send(&mut self, place: usize, frame: &[u8]) {
        if let Some(conn) = &mut self.conns[place] {
            conn.out.extend_from_slice(frame);
            if !conn.dirty {
                conn.dirty = true;
                self.dirty.push(place);
            }
        }
    }

    /// Forwards the whole frames in `bytes` and returns how many bytes they are; None when it is not Bolt v1.
    fn forward(&mut self, place: usize, bytes: &mut [u8]) -> Option<usize> {
        let mut start = 0;
        while bytes.len() - start >= 20 {
            if bytes[start] != 1 {
                return None;
            }
            let lengths = start + if bytes[start + 1] == 0 { 12 } else { 14 };
            if lengths + 8 > bytes.len() {
                break;
            }
            let map = lengths + 8 + u16_at(bytes, lengths);
            let content = map + u16_at(bytes, lengths + 2);
            let end = content + u32_at(bytes, lengths + 4) as usize;
            if end > bytes.len() {
                break;
            }
            let id = u32_at(bytes, start + 5);
            if place < UPSTREAMS {
                if let Some(&slot) = self.slots.get(id as usize) {
                    self.free_slots.push(id);
                    bytes[start + 5..start + 9].copy_from_slice(&slot.id.to_be_bytes());
                    if self.generations[slot.conn] == slot.generation {
                        self.send(slot.conn, &bytes[start..end]);
                    }
                }
            } else if service(&bytes[map..content])
                .is_some_and(|name| self.routes.contains_key(name))
            {
                let slot = self.free_slots.pop().unwrap_or(self.slots.len() as u32);
                let awaits = Slot {
                    conn: place,
                    generation: self.generations[place],
                    id,
                };
                match self.slots.get_mut(slot as usize) {
                    Some(known) => *known = awaits,
                    None => self.slots.push(awaits),
                }
                bytes[start + 5..start + 9].copy_from_slice(&slot.to_be_bytes());
                self.turn = (self.turn + 1) % UPSTREAMS;
                self.send(self.turn, &bytes[start..end]);
            }
            start = end;
        }
        Some(start)
    }

    fn read(&mut self, place: usize, buffer: &mut [u8]) {
        let Some(conn) = &mut self.conns[place] else {
            return;
        };
        let count = match conn.socket.read(buffer) {
            Ok(0) => return self.close(place),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.close(place),
        };
        let mut partial = std::mem::take(&mut conn.partial);
        let rest = if partial.is_empty() {
            self.forward(place, &mut buffer[..count])
                .map(|used| buffer[used..count].to_vec())
        } else {
            partial.extend_from_slice(&buffer[..count]);
            self.forward(place, &mut partial)
                .map(|used| partial.split_off(used))
        };
        match (rest, &mut self.conns[place]) {
            (Some(rest), Some(conn)) => conn.partial = rest,
            _ => self.close(place),
        }
    }

    fn write(&mut self, place: usize) {
        let Some(conn) = &mut self.conns[place] else {
            return;
        };
        conn.dirty = false;
        let written = match conn.socket.write(&conn.out) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return self.close(place),
        };
        conn.out.drain(..written);
        let blocked = !conn.out.is_empty();
        if blocked != conn.blocked {
            conn.blocked = blocked;
            let fd = conn.socket.as_raw_fd();
            self.watch(fd, libc::EPOLL_CTL_MOD, place as u64, blocked);
        }
    }

    fn run(&mut self, listener: &TcpListener) {
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
        let mut buffer = vec![0u8; READ_BYTES];
        loop {
            let count = unsafe {
                libc::epoll_wait(self.epoll, events.as_mut_ptr(), events.len() as i32, -1)
            };
            for event in &events[..count.max(0) as usize] {
                let (key, what) = (event.u64, event.events);
                if key == LISTENER {
                    while let Ok((socket, _)) = listener.accept() {
                        self.add(socket);
                    }
                    continue;
                }
                if what & libc::EPOLLOUT as u32 != 0 {
                    self.write(key as usize);
                }
                if what & !(libc::EPOLLOUT as u32) != 0 {
                    self.read(key as usize, &mut buffer);
                }
            }
            for place in std::mem::take(&mut self.dirty) {
                self.write(place);
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| -> u16 { args[place].parse().expect("a port") };
    let (port, upstream) = (number(0), number(1));
    let known = args
        .get(2)
        .map_or("com.test.EchoService:1.0", String::as_str);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    listener.set_nonblocking(true).unwrap();
    let mut routes: HashMap<Vec<u8>, usize> = (1..ROUTES)
        .map(|i| (format!("com.test.Service{i}:1.0").into_bytes(), i))
        .collect();
    routes.insert(known.as_bytes().to_vec(), 0);
    let mut proxy = Proxy {
        epoll: unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) },
        conns: Vec::new(),
        generations: Vec::new(),
        free_conns: Vec::new(),
        slots: Vec::new(),
        free_slots: Vec::new(),
        dirty: Vec::new(),
        routes,
        turn: 0,
    };
    for _ in 0..UPSTREAMS {
        proxy.add(TcpStream::connect(("127.0.0.1", upstream)).expect("the upstream listens"));
    }
    proxy.watch(listener.as_raw_fd(), libc::EPOLL_CTL_ADD, LISTENER, false);
    println!("listening on {}", listener.local_addr().unwrap().port());
    proxy.run(&listener);
}
