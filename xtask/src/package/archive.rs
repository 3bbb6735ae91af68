//! A zip archive of one program, the same for the same program.

use std::io::{Cursor, Write};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::failure::{Failure, Result};

/// A finished archive.
pub struct Archive(Vec<u8>);

impl Archive {
    /// The archive of an executable program, called `entry` in it. Its time is the oldest that zip knows, whenever it was built.
    ///
    /// # Errors
    /// When it is larger than an archive can hold, 4 GiB.
    pub fn of_program(entry: &str, program: &[u8]) -> Result<Self> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(0o755);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(entry, options).map_err(failure)?;
        archive.write_all(program).map_err(|error| Failure::io("archive", &error))?;
        Ok(Self(archive.finish().map_err(failure)?.into_inner()))
    }

    /// The archive itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its SHA-256, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn failure(error: zip::result::ZipError) -> Failure {
    Failure::new(format!("archive: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_holds_the_program_and_that_it_can_be_run() {
        let program = b"\x7fELF".repeat(10_000);
        let archive = Archive::of_program("bootstrap", &program).expect("an archive");
        assert!(archive.bytes().len() < program.len() / 10, "it is compressed");
        let mut read = zip::ZipArchive::new(Cursor::new(archive.bytes())).expect("an archive");
        assert_eq!(read.len(), 1);
        let mut file = read.by_name("bootstrap").expect("the program");
        assert_eq!(file.unix_mode(), Some(0o100_755));
        assert_eq!(file.last_modified(), Some(DateTime::default()));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("readable");
        assert_eq!(bytes, program);
    }

    #[test]
    fn the_same_program_gives_the_same_archive() {
        let archive = |program: &[u8]| Archive::of_program("bootstrap", program).expect("an archive").sha256();
        assert_eq!(archive(b"one"), archive(b"one"));
        assert_ne!(archive(b"one"), archive(b"two"));
        // What `sha256sum` says of nothing.
        let nothing = Archive(Vec::new()).sha256();
        assert_eq!(nothing, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
