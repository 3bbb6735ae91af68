//! See the library.

fn main() -> cloudping_bench_query::Result<()> {
    cloudping_bench_query::run(cloudping_bench_query::query)
}
