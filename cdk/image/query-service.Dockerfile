# glibc 2.34, for which the program is linked, and the certificates of the authorities.
FROM public.ecr.aws/amazonlinux/amazonlinux:2023-minimal
COPY --chmod=755 program /usr/local/bin/cloudping-query-service
COPY extra/ /etc/cloudping/
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/cloudping-query-service"]
