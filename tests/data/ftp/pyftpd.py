"""pyftpdlib for the conformance tests: one user, plain, and TLS too where pyOpenSSL is there."""
import sys

from pyftpdlib import handlers
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.servers import FTPServer

home, port, tls = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "on"
if tls and not hasattr(handlers, "TLS_FTPHandler"):
    sys.exit("no TLS without pyOpenSSL")
handler = handlers.TLS_FTPHandler if tls else handlers.FTPHandler
if tls:
    handler.certfile = home + "/both.pem"
    handler.tls_control_required = handler.tls_data_required = True
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user("ann", "secret", home + "/files", perm="elradfmwMT")
FTPServer(("127.0.0.1", port), handler).serve_forever()
