#!/bin/sh
# Prometheus reads no environment: this writes RabbitMQ's credentials, and for tests a shorter "for" of all
# alerts, into copies of its files. Then it becomes Prometheus.
set -eu
umask 077
here=/etc/prometheus/lampwork
printf %s "$RABBITMQ_PASSWORD" >/tmp/rabbitmq-password
sed "s/\${RABBITMQ_USER}/$RABBITMQ_USER/" "$here/prometheus.yml" >/tmp/prometheus.yml
mkdir -p /tmp/rules
for rules in "$here"/rules/*.yml; do
    sed "${ALERT_FOR:+s/^\( *for:\).*/\1 $ALERT_FOR/}" "$rules" >"/tmp/rules/${rules##*/}"
done
exec /bin/prometheus "$@"
