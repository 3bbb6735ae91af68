# The binary is linked for the glibc of the machine that built it: build it on Debian 13 or older, or name another base.
ARG BASE=docker.io/library/debian:trixie-slim
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --chmod=755 program /usr/local/bin/cloudping
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/cloudping"]
