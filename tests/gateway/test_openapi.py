"""The OpenAPI says what the gateway does: a short form of `python -m vitrine_measure.gateway_fuzz`."""

from vitrine_measure.gateway_fuzz.__main__ import main


async def test_every_route_is_described(gateway):
    """Each operation documents its errors as problems, and the need of a key where there is one."""
    told = (await gateway.client().get("/v1/openapi.json")).json()
    for path, operations in told["paths"].items():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["422"]["content"], path
    assert told["paths"]["/v1/jobs"]["post"]["security"] == [{"bearer": []}, {"key": []}]
    assert "security" not in told["paths"]["/healthz"]["get"]
    seed = told["components"]["schemas"]["Single"]["properties"]["seed"]
    assert seed["exclusiveMaximum"] == 2**64


def test_generated_requests_find_no_fault(capfd):
    """A few requests to every route from one seed: no 5xx, no answer that the OpenAPI does not describe."""
    few = [
        "--no-color",
        "--phases",
        "fuzzing",
        "--max-examples",
        "3",
        "--no-shrink",
        "--generation-deterministic",
    ]
    status = main(["--seconds", "0", "--", *few])
    assert status == 0, capfd.readouterr().out


async def test_a_method_that_a_path_does_not_know_is_told_all_that_it_does(shop):
    """`Allow` lists the methods of every route of the path."""
    answer = await shop.request("PUT", "/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_path_of_its_own_is_meant_before_one_with_an_id(shop):
    """`seen` is no job's id, so the methods are not those of a job in the history."""
    answer = await shop.request("OPTIONS", "/v1/users/ada/history/seen")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
