-- What a busy application holds after half a year. It runs on SQLite and on PostgreSQL: seeds.py
-- gives both the functions moment (so many seconds from now), new_id, new_bytes and as_json, and the
-- table `size` with the numbers of tasks and users and the seconds between two tasks.
CREATE TEMP TABLE numbers AS
  WITH RECURSIVE upwards(n) AS (
    SELECT 1 UNION ALL SELECT n + 1 FROM upwards, size WHERE n < tasks
  )
  SELECT n FROM upwards;
CREATE TEMP TABLE u AS SELECT n, new_id() AS id FROM numbers, size WHERE n <= users;
CREATE UNIQUE INDEX u_n ON u (n);
-- Every twentieth task is of one user, the others are spread over all.
CREATE TEMP TABLE t AS
  SELECT n, new_id() AS id, CASE WHEN n % 20 = 0 THEN 1 ELSE 1 + (n * 79) % users END AS un,
    moment(-n * apart) AS at, moment(20 - n * apart) AS done, n > tasks - 1000 AS due
  FROM numbers, size;
CREATE UNIQUE INDEX t_n ON t (n);
CREATE TEMP TABLE moments AS
  SELECT moment(0) AS now, moment(3600) AS soon, moment(86400) AS tomorrow,
    moment(-86400) AS yesterday, moment(-6.5 * 86400) AS kept_since, moment(-40 * 86400) AS retired,
    moment(-200 * 86400) AS begun;

INSERT INTO users (id, email, email_canonical, password_hash, status, auth_epoch, created_at,
    activated_at, deleted_at)
  SELECT id, 'u' || n || '@example.com', 'u' || n || '@example.com', '$argon2id$x',
    CASE WHEN n % 100 = 3 THEN 'pending' ELSE 'active' END, 0,
    CASE WHEN n % 100 = 3 THEN yesterday ELSE begun END, begun,
    CASE WHEN n % 500 = 0 THEN yesterday END
  FROM u, moments;
INSERT INTO user_profiles (user_id, updated_at) SELECT id, begun FROM u, moments;
INSERT INTO subscriptions (id, user_id, plan, period_start, period_end, tasks_used, created_at,
    ended_at)
  SELECT new_id(), id, 'free',
    moment((k.n * -30 - 20) * 86400),
    moment((k.n * -30 + 10) * 86400), 3, begun,
    CASE WHEN k.n > 0 THEN moment((k.n * -30 + 10) * 86400) END
  FROM u, moments, (SELECT n - 1 AS n FROM numbers WHERE n <= 6) k;
INSERT INTO user_sessions (id, user_id, generation, confirmed_generation, salt, refresh_token_hash,
    remember, ip, user_agent, auth_time, created_at, idle_expires_at, absolute_expires_at,
    revoked_at)
  SELECT new_id(), u.id, 3, 3, new_bytes(), new_bytes(), true, '10.0.0.1',
    'Mozilla/5.0 (X11; Linux x86_64)', signed_in, signed_in, idle, idle, NULL
  FROM (SELECT n, moment((1 - n) * 18 * 86400) AS signed_in,
      moment(((1 - n) * 18 + 14) * 86400) AS idle
    FROM numbers WHERE n <= 5) AS k, u;
-- A script of the busiest user signs in often; all but the last 20 sessions were ended.
INSERT INTO user_sessions (id, user_id, generation, confirmed_generation, salt, refresh_token_hash,
    remember, ip, user_agent, auth_time, created_at, idle_expires_at, absolute_expires_at,
    revoked_at)
  SELECT new_id(), (SELECT id FROM u WHERE n = 1), 0, 0, new_bytes(),
    new_bytes(), true, '10.0.0.1', 'python-requests/2.32', at, at, idle, idle,
    CASE WHEN n > 20 THEN at END
  FROM (SELECT n, moment(n * -360) AS at,
      moment(n * -360 + 14 * 86400) AS idle
    FROM numbers WHERE n <= 20000) AS k;
INSERT INTO tasks (id, user_id, status, sequence, published_sequence, attempt, max_attempts,
    turn_at, runs_at_once, prompt, parameters, progress, result, request_id, queued_deadline,
    next_attempt_at, run_timeout_seconds, dispatched_at, created_at, updated_at, finished_at,
    history_pruned_at)
  SELECT t.id, u.id, CASE WHEN t.n % 50 = 7 THEN 'failed' ELSE 'completed' END, 8, 8, 1, 3, at, 2,
    'a lighthouse in a storm, number ' || t.n,
    as_json('{"width": 512, "height": 512, "style": "painting", "seed": 7}'), 1.0,
    CASE WHEN t.n % 50 <> 7 THEN as_json('{"key": "tasks/' || t.id || '/1.png", "content_type":'
      || ' "image/png", "width": 512, "height": 512, "bytes": 400000}') END,
    'Y2hhc2U9', at, at, 120, at, at, done, done,
    CASE WHEN at <= kept_since AND NOT due THEN now END
  FROM t JOIN u ON u.n = t.un, moments;
INSERT INTO task_events (task_id, sequence, payload, created_at)
  SELECT id, 8, as_json('{"task_id": "' || id || '", "sequence": 8, "status": "completed",'
    || ' "terminal": true, "prompt": "a lighthouse in a storm", "parameters": {"width": 512}}'), done
  FROM t;
INSERT INTO task_events (task_id, sequence, payload, created_at)
  SELECT id, k.n, as_json('{"task_id": "' || id || '", "sequence": ' || k.n || ', "status":'
    || ' "processing", "terminal": false, "prompt": "a lighthouse in a storm", "parameters":'
    || ' {"width": 512}}'), at
  FROM t, moments, (SELECT n FROM numbers WHERE n <= 7) k
  WHERE at > kept_since OR due;
INSERT INTO outbox (id, kind, task_id, sequence, available_at, attempts, created_at, done_at)
  SELECT new_id(), 'dispatch', id, 1, at, 0, at, at
  FROM t, moments WHERE at > kept_since OR due;
INSERT INTO idempotency_keys (user_id, key, fingerprint, task_id, status_code, body, created_at,
    expires_at)
  SELECT u.id, 'k' || t.n, new_bytes(), t.id, 202, as_json('{}'), at,
    CASE WHEN at > yesterday THEN tomorrow ELSE at END
  FROM t JOIN u ON u.n = t.un, moments WHERE at > yesterday OR due;
INSERT INTO auth_events (id, occurred_at, kind, outcome, user_id, ip)
  SELECT new_id(),
    moment((n % 89) * -86400), 'login', 'success', id,
    '10.0.0.1'
  FROM u;
INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, created_at, expires_at)
  SELECT new_id(), id, 'reset_password', new_bytes(), now,
    CASE WHEN n <= 1000 THEN yesterday ELSE soon END
  FROM u, moments;
INSERT INTO rate_limit_counters (bucket, window_start, count, expires_at)
  SELECT new_bytes(), now, 1, CASE WHEN n <= 1000 THEN yesterday ELSE soon END
  FROM u, moments;
INSERT INTO mailbox_messages (id, recipient, subject, text, html, received_at)
  SELECT new_id(), 'u' || n || '@example.com', 'Hello', 'Hello', 'Hello', moment(n * -5) FROM u;
INSERT INTO outgoing_mails (id, kind, address, attempts, available_at, created_at)
  SELECT new_id(), 'password_changed', 'u' || n || '@example.com', 1, soon, now
  FROM u, moments WHERE n <= 1000;

-- What waits and what runs is as much in a small database as in a large one.
UPDATE tasks SET status = 'queued', attempt = 0, result = NULL, progress = 0, finished_at = NULL,
    history_pruned_at = NULL, queued_deadline = (SELECT soon FROM moments)
  WHERE id IN (SELECT id FROM t WHERE n BETWEEN 1001 AND 1300 AND un > 1);
UPDATE tasks SET status = 'processing', result = NULL, progress = 0.5, finished_at = NULL,
    history_pruned_at = NULL, lease_token = new_id(),
    lease_expires_at = (SELECT tomorrow FROM moments)
  WHERE id IN (SELECT id FROM t WHERE n BETWEEN 1301 AND 1320 AND un > 1);
-- An account that the purge erases, with 2,000 tasks.
INSERT INTO users (id, email, email_canonical, password_hash, status, auth_epoch, created_at,
    activated_at, deleted_at)
  SELECT '0000000000004000800000000000dead', 'closed@example.com', 'closed@example.com', 'x',
    'active', 1, begun, begun, retired
  FROM moments;
INSERT INTO tasks (id, user_id, status, sequence, published_sequence, attempt, max_attempts,
    turn_at, runs_at_once, prompt, parameters, progress, queued_deadline, next_attempt_at,
    run_timeout_seconds, created_at, updated_at, finished_at, history_pruned_at)
  SELECT new_id(), '0000000000004000800000000000dead', 'failed', 8, 8, 1, 3,
    retired, 2, 'p', as_json('{}'), 1.0, retired, retired, 120, retired, retired, retired, now
  FROM numbers, moments WHERE n <= 2000;
