import http.server
import json
import os


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        context = json.loads(self.headers.get("x-amzn-request-context", "{}"))
        page = f"<h1>{self.path}</h1> for {context.get('routeKey')}".encode()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


address = ("127.0.0.1", int(os.environ["AWS_LWA_PORT"]))
http.server.ThreadingHTTPServer(address, Pages).serve_forever()
