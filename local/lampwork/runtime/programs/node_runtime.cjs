// Runs AWS's runtime client for Node.js (aws-lambda-ric), with another native module below it: one
// that speaks to the emulator over a socket, in the frames of `frames.py`. AWS's speaks HTTP.
//
// LAMPWORK_TASK names the socket's descriptor and the folder of the client.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const Module = require("node:module");
const net = require("node:net");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const NATIVE_MODULE = "./rapid-client.node";
const HEADER_BYTES = 5;
const MAX_RESPONSE_BYTES = 6 * 1024 * 1024;

const task = JSON.parse(process.env.LAMPWORK_TASK);
delete process.env.LAMPWORK_TASK;

const socket = new net.Socket({ fd: task.channel, readable: true, writable: true });
let received = Buffer.alloc(0);
let isReady = false;
let waiting = null;

socket.on("data", (data) => {
  received = Buffer.concat([received, data]);
  deliver();
});
socket.on("error", () => process.exit());
socket.on("end", () => process.exit()); // the emulator has ended

function deliver() {
  if (waiting === null || received.length < HEADER_BYTES) return;
  const end = HEADER_BYTES + received.readUInt32BE(1);
  if (received.length < end) return;
  const body = received.subarray(HEADER_BYTES, end);
  received = received.subarray(end);
  const resolve = waiting;
  waiting = null;
  socket.unref(); // nothing of ours keeps the event loop busy while the handler runs
  const line = body.indexOf("\n");
  const head = body.subarray(0, line).toString().split("\t");
  const [requestId, traceId, functionArn, deadline, clientContext] = head;
  const headers = {
    "content-type": "application/json",
    "lambda-runtime-aws-request-id": requestId,
    "lambda-runtime-deadline-ms": deadline,
    "lambda-runtime-invoked-function-arn": functionArn,
    "lambda-runtime-trace-id": traceId,
  };
  if (clientContext) headers["lambda-runtime-client-context"] = JSON.parse(clientContext);
  resolve({ bodyJson: body.subarray(line + 1).toString(), headers });
}

function send(kind, body = "", then = undefined) {
  const content = Buffer.from(body);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(kind, 0, "ascii");
  header.writeUInt32BE(content.length, 1);
  return socket.write(Buffer.concat([header, content]), then);
}

function respond(body) {
  const length = Buffer.byteLength(body);
  if (length <= MAX_RESPONSE_BYTES) {
    send("A", body);
    return;
  }
  process.stderr.write(
    `[ERROR] Function.ResponseSizeTooLarge: The function's answer has ${length} bytes;` +
      ` Lambda takes ${MAX_RESPONSE_BYTES}.\n`,
  );
  send("L");
}

const native = {
  initializeClient() {},
  next() {
    socket.ref();
    if (!isReady) {
      isReady = true;
      send("R");
    }
    return new Promise((resolve) => {
      waiting = resolve;
      deliver();
    });
  },
  done(_requestId, body) {
    respond(body);
  },
  error(_requestId, body) {
    send("E", body);
  },
};

const load = Module._load;
Module._load = function (request, ...rest) {
  return request === NATIVE_MODULE ? native : load.call(this, request, ...rest);
};

// The client posts two things over HTTP itself: the error of a failed init, and streamed responses.
const server = http.createServer((request, response) => {
  // Not kept alive: the client asks for the next event when the connection has ended.
  const answered = () => response.writeHead(202, { connection: "close" }).end();
  if (request.url.endsWith("/init/error")) {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => send("I", Buffer.concat(parts), answered));
  } else {
    pass(request, answered);
  }
});

// A streamed response, piece by piece. An error comes in the trailers.
function pass(request, answered) {
  let begun = false;
  const begin = () => {
    if (!begun) send("S", request.headers["content-type"] ?? "application/octet-stream");
    begun = true;
  };
  request.on("data", (part) => {
    begin();
    if (send("P", part)) return;
    request.pause(); // whoever reads it is slow
    socket.once("drain", () => request.resume());
  });
  request.on("end", () => {
    if (request.trailers["lambda-runtime-function-error-type"]) {
      const encoded = request.trailers["lambda-runtime-function-error-body"] ?? "";
      send("E", Buffer.from(encoded, "base64"), answered);
    } else {
      begin();
      send("A", "", answered);
    }
  });
}

async function serve() {
  process.env.AWS_LAMBDA_RUNTIME_API = `127.0.0.1:${server.address().port}`;
  const whole = path.join(task.client, "index.mjs"); // since version 4, it runs when it is imported
  const parts = path.join(task.client, "dist", "index.mjs");
  if (fs.existsSync(whole)) {
    await import(pathToFileURL(whole));
  } else {
    const { run } = await import(pathToFileURL(parts));
    await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  }
}

server.listen(0, "127.0.0.1", () => {
  server.unref();
  // An error of the function's module is uncaught, as where the client is the main module.
  serve().catch((error) => setImmediate(() => { throw error; }));
});
