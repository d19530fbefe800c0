"""Test `newswire dlq`: list, redrive and discard messages that failed ten times."""

import json

import pytest

from newswire.cli.main import main
from newswire.model import Batch
from newswire.storage.queue.sqs import SqsQueue, batch_of
from tests.support.aws import MOST_RECEIVED


@pytest.fixture
def queue(aws, tmp_path, monkeypatch) -> str:
    url = aws.queue()
    monkeypatch.setenv("NEWSWIRE_QUEUE_URL", url)
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path / "data"))
    return url


@pytest.fixture
def run(capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(["dlq", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def fail_for_good(aws, queue: str) -> None:
    """Receive every message until SQS moves it to the dead-letter queue."""
    sqs = aws.client("sqs")
    for _ in range(MOST_RECEIVED + 1):
        for message in aws.receive(queue)["Records"]:
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["receiptHandle"], VisibilityTimeout=0)


@pytest.fixture
def failed(aws, queue) -> str:
    SqsQueue(queue).put([Batch(("alpha", "beta")), Batch(("gamma",))])
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="not of ours")
    fail_for_good(aws, queue)
    assert aws.receive(queue)["Records"] == []
    return queue


def test_listing_keeps_dead_letters(aws, failed, run) -> None:
    for _ in range(2):
        status, out, _ = run()
        assert status == 0
        assert "alpha, beta" in out
        assert "gamma" in out
        assert "not a batch: 'not of ours'" in out
        assert out.endswith("3 messages.\n")
    listed = json.loads(run("--json")[1])["messages"]
    assert sorted(message["feeds"] or [] for message in listed) == [[], ["alpha", "beta"], ["gamma"]]
    assert aws.dead_letters(failed) == 3


def test_redrive_returns_batches_and_keeps_foreign_messages(aws, failed, run) -> None:
    assert run("redrive")[:2] == (0, "2 messages put back into the work queue.\n")
    back = [batch_of(message["body"]).feeds for message in aws.receive(failed)["Records"]]
    assert sorted(back) == [("alpha", "beta"), ("gamma",)]
    assert aws.dead_letters(failed) == 1
    assert run("redrive")[:2] == (0, "0 messages put back into the work queue.\n")


def test_one_message_is_redriven_or_discarded_by_id(aws, failed, run) -> None:
    by_feeds = {tuple(message["feeds"] or ()): message["id"] for message in json.loads(run("--json")[1])["messages"]}
    assert run("redrive", by_feeds["gamma",])[0] == 0
    assert [batch_of(message["body"]).feeds for message in aws.receive(failed)["Records"]] == [("gamma",)]
    assert run("discard", by_feeds[()])[:2] == (0, "1 message deleted.\n")
    assert aws.dead_letters(failed) == 1


def test_redrive_refuses_unknown_ids_and_foreign_messages(failed, run) -> None:
    poison = next(message["id"] for message in json.loads(run("--json")[1])["messages"] if message["feeds"] is None)
    for id_ in ("nothing", poison):
        status, _, err = run("redrive", id_)
        assert status == 1
        assert id_ in err
    assert run("--json")[1].count('"id"') == 3


def test_missing_queue_settings_are_reported(aws, queue, run, monkeypatch) -> None:
    alone = aws.client("sqs").create_queue(QueueName="alone")["QueueUrl"]
    monkeypatch.setenv("NEWSWIRE_QUEUE_URL", alone)
    status, _, err = run()
    assert (status, "no redrive policy" in err) == (1, True)
    monkeypatch.delenv("NEWSWIRE_QUEUE_URL")
    status, _, err = run()
    assert (status, "set NEWSWIRE_QUEUE_URL" in err) == (2, True)
