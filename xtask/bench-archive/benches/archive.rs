//! See the library.

fn main() -> cloudping_bench_archive::Result<()> {
    cloudping_bench_archive::run()
}
