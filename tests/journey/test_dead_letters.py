"""`newswire dlq`: what failed ten times is listed, and put back or thrown away, over a queue with a redrive policy."""

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
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def fail_for_good(aws, queue: str) -> None:
    """Receive everything so often that it is moved to the dead-letter queue."""
    sqs = aws.client("sqs")
    for _ in range(MOST_RECEIVED + 1):
        for one in aws.receive(queue)["Records"]:
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=one["receiptHandle"], VisibilityTimeout=0)


@pytest.fixture
def failed(aws, queue) -> str:
    SqsQueue(queue).put([Batch(("alpha", "beta")), Batch(("gamma",))])
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="not of ours")
    fail_for_good(aws, queue)
    assert aws.receive(queue)["Records"] == []
    return queue


def test_dead_letters_are_listed_and_stay(aws, failed, run) -> None:
    for _ in range(2):
        status, out, _ = run()
        assert status == 0
        assert "alpha, beta" in out
        assert "gamma" in out
        assert "no batch of ours: 'not of ours'" in out
        assert out.endswith("3 messages.\n")
    listed = json.loads(run("--json")[1])["messages"]
    assert sorted(one["feeds"] or [] for one in listed) == [[], ["alpha", "beta"], ["gamma"]]
    assert aws.dead_letters(failed) == 3


def test_redriving_puts_batches_back_and_leaves_what_is_none(aws, failed, run) -> None:
    assert run("redrive")[:2] == (0, "2 messages put back into the work queue.\n")
    back = [batch_of(one["body"]).feeds for one in aws.receive(failed)["Records"]]
    assert sorted(back) == [("alpha", "beta"), ("gamma",)]
    assert aws.dead_letters(failed) == 1
    assert run("redrive")[:2] == (0, "0 messages put back into the work queue.\n")


def test_one_message_can_be_redriven_or_discarded_by_its_id(aws, failed, run) -> None:
    by_feeds = {tuple(one["feeds"] or ()): one["id"] for one in json.loads(run("--json")[1])["messages"]}
    assert run("redrive", by_feeds["gamma",])[0] == 0
    assert [batch_of(one["body"]).feeds for one in aws.receive(failed)["Records"]] == [("gamma",)]
    assert run("discard", by_feeds[()])[:2] == (0, "1 message thrown away.\n")
    assert aws.dead_letters(failed) == 1


def test_an_id_that_is_not_there_is_said_and_so_is_one_that_would_fail_again(failed, run) -> None:
    poison = next(one["id"] for one in json.loads(run("--json")[1])["messages"] if one["feeds"] is None)
    for id_ in ("nothing", poison):
        status, _, err = run("redrive", id_)
        assert status == 1
        assert id_ in err
    assert run("--json")[1].count('"id"') == 3


def test_without_a_queue_or_without_its_dead_letter_queue_it_says_what_to_set(aws, queue, run, monkeypatch) -> None:
    alone = aws.client("sqs").create_queue(QueueName="alone")["QueueUrl"]
    monkeypatch.setenv("NEWSWIRE_QUEUE_URL", alone)
    status, _, err = run()
    assert (status, "no redrive policy" in err) == (1, True)
    monkeypatch.delenv("NEWSWIRE_QUEUE_URL")
    status, _, err = run()
    assert (status, "set NEWSWIRE_QUEUE_URL" in err) == (2, True)
