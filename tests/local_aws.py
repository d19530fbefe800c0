"""`make local-aws`: a server that stands for AWS, for `sam local`, with the table, the bucket and the queue of local-env.json.

It forgets everything when it ends.
"""

import argparse
import logging
import os
import signal

from moto.server import ThreadedMotoServer

from tests.aws import make_bucket, make_queue, make_table

NAME = "newswire"
REGION = "eu-central-1"
STOPS = {signal.SIGINT, signal.SIGTERM}


def main() -> int:
    """Serve until a signal says stop."""
    parser = argparse.ArgumentParser(prog="make local-aws", description=__doc__)
    parser.add_argument("--port", type=int, default=5555)
    port = parser.parse_args().port
    # What a shell starts in the background ignores SIGINT, and what is ignored is never waited for.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": REGION}
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    make_table(url, NAME)
    make_bucket(url, NAME)
    print(f"AWS_ENDPOINT_URL={url}", f"NEWSWIRE_TABLE={NAME}", f"NEWSWIRE_BUCKET={NAME}", sep="\n")
    print(f"NEWSWIRE_QUEUE_URL={make_queue(url, NAME)}", flush=True)
    signal.sigwait(STOPS)
    server.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
