#!/bin/sh
# Prometheus reads no environment: this writes RabbitMQ's credentials, the pages of what runs the functions, and for
# tests a shorter "for" of all alerts, and where people read what to do, into copies of its files. Then it becomes Prometheus.
set -eu
umask 077
here=/etc/prometheus/lampwork
printf %s "$RABBITMQ_PASSWORD" >/tmp/rabbitmq-password
sed -e "s/\${RABBITMQ_USER}/$RABBITMQ_USER/" \
    -e "s|\${FUNCTIONS_PAGE}|$FUNCTIONS_PAGE|" -e "s|\${FUNCTIONS_TARGETS}|$FUNCTIONS_TARGETS|" \
    "$here/prometheus.yml" >/tmp/prometheus.yml
mkdir -p /tmp/rules
for rules in "$here"/rules/*.yml; do
    sed -e "${ALERT_FOR:+s/^\( *for:\).*/\1 $ALERT_FOR/}" \
        -e "${RUNBOOKS_URL:+s|runbook_url: [^#]*#|runbook_url: $RUNBOOKS_URL#|}" "$rules" >"/tmp/rules/${rules##*/}"
done
exec /bin/prometheus "$@"
