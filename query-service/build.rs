//! Embeds the built dashboard, or a page that says how to build it.

use std::path::Path;

fn main() {
    // SAFETY: a build script's main thread is its only thread.
    unsafe { std::env::set_var("MEMORY_SERVE_QUIET", "1") };
    let dist = Path::new("../dashboard/dist");
    if dist.join("index.html").is_file() {
        // Embedded in every profile: the binary needs no file beside it.
        memory_serve::load_directory_with_embed(dist, true);
    } else {
        // A watched path that does not exist counts as changed for ever: the folder that dist will appear in is watched instead.
        println!("cargo::rerun-if-changed=../dashboard");
        memory_serve::load_directory_with_embed("placeholder", true);
    }
}
