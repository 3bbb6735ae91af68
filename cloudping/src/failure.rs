//! What `--aws` answers in a binary without the AWS SDK.

use cloudping_agent::failure::Failure;

/// The failure of whoever asks for AWS.
pub fn built_without_aws() -> Failure {
    Failure::setting(
        "this cloudping was built without AWS; build one with `cargo build --release -p cloudping --features aws`",
    )
}
