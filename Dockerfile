# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY bullmq/go.mod bullmq/go.sum bullmq/
COPY bullmq/bullmqotel/go.mod bullmq/bullmqotel/go.sum bullmq/bullmqotel/
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/schoolbell ./cmd/schoolbell
# The final image starts empty. What it needs beside the binary: an account, the
# certificates of the authorities, time zones, folders to write to.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tzdata \
 && mkdir -p /image/etc/ssl/certs /image/usr/share /image/own/data /image/tmp \
 && echo 'schoolbell:x:10001:10001::/data:/sbin/nologin' >/image/etc/passwd \
 && echo 'schoolbell:x:10001:' >/image/etc/group \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && cp -r /usr/share/zoneinfo /image/usr/share/ \
 && chmod 1777 /image/tmp \
 && chmod 700 /image/own/data

FROM scratch
COPY --from=build /image/etc /etc
COPY --from=build /image/usr /usr
COPY --from=build /image/tmp /tmp
COPY --from=build --chown=10001:10001 /image/own /
COPY --from=build /out/schoolbell /usr/local/bin/schoolbell
ENV PATH=/usr/local/bin \
    HTTP_ADDR=0.0.0.0:8080 \
    DATA_DIR=/data \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# A worker answers too when METRICS_ADDR has the port of HTTP_ADDR.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/schoolbell", "doctor", "--live"]
ENTRYPOINT ["/usr/local/bin/schoolbell"]
CMD ["serve"]
