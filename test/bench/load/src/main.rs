//! Load generator and echo apps of the benchmarks. One thread: it is pinned to a core together with the apps, the contender
//! has the other core. Prints one JSON line: requests per second, latency percentiles, errors, and the CPU time per request
//! of the process trees it was told to watch.

mod app;
mod args;
mod cpu;
mod grpc;
mod histogram;
mod http1;
mod run;
mod state;

const USAGE: &str = "\
outrigger-load state  --port P --store NAME [--keys 10000] [--value 128]      gRPC GetState/SaveState 80/20, values verified
outrigger-load invoke --port P [--app-id ID] [--value 128]                    gRPC InvokeService, or OnInvoke of the app itself
outrigger-load http   --port P --path /… [--value 1024]                       HTTP/1.1 POST, the body comes back
outrigger-load app    --port P --protocol grpc|http                           echo app: AppCallback.OnInvoke, or HTTP/1.1
  of all clients: --conns N --streams S (closed loop) | --rate R (open loop), --warmup s, --duration s, --watch PID[,PID…]";

fn main() {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let args = args::Args::parse(words);
    match command.as_str() {
        "state" => grpc::client(&args, state::StateLoad::new(&args)),
        "invoke" => grpc::client(&args, app::InvokeLoad::new(&args)),
        "http" => http1::client(&args),
        "app" if args.text("protocol", "grpc") == "http" => http1::echo(&args),
        "app" => app::serve(&args),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}
