"""A gallery-side repair leaves a rewriting version, and the candidate that meets its vectors."""

import pytest

from registry.audit.models import LedgerEntry
from registry.catalog.models import LineageEdge, ModelVersion
from registry.catalog.rewriting import meets_rewritten, only_rewrites, rewriter
from registry.catalog.services.register_version import register_version
from registry.core.errors import ConflictError, InvalidInputError
from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.repairs import may_be_repaired
from registry.upgrades.services.propose import propose
from tests.builders import registry as make
from tests.builders.adapters import a_fit, a_pool, an_unpassed_upgrade, finish

pytestmark = pytest.mark.django_db


def test_both_sides_of_one_set_are_two_fits():
    failed, pool = an_unpassed_upgrade(), a_pool()

    fits = [a_fit(failed, pool, side=side) for side in ("query", "gallery", "gallery")]

    assert [fit.side for fit in fits] == ["query", "gallery", "gallery"]
    assert fits[1].pk == fits[2].pk
    assert AdapterFit.objects.count() == 2


def test_it_leaves_a_rewriter_and_the_candidate_under_a_digest_of_its_own():
    failed = an_unpassed_upgrade()

    fit = finish(a_fit(failed, side="gallery"))

    candidate, incumbent = failed.candidate, failed.alias.version
    assert fit.made.artifact == candidate.artifact
    assert fit.made.digest != candidate.digest
    assert fit.made.manifest == candidate.manifest | {
        "rewritten": {"of": incumbent.digest, "by": fit.rewriter.digest}
    }
    assert fit.rewriter.manifest["rewrites"] == incumbent.digest
    assert only_rewrites(fit.rewriter)
    assert meets_rewritten(fit.made)
    assert fit.transform is not None
    lineage = {
        version: {(e.relation, e.parent) for e in version.parent_edges.all()}
        for version in (fit.rewriter, fit.made)
    }
    adapter_of, compatible = LineageEdge.Relation.ADAPTER_OF, LineageEdge.Relation.COMPATIBLE_WITH
    assert lineage[fit.rewriter] == {(adapter_of, incumbent), (compatible, candidate)}
    assert lineage[fit.made] == {(adapter_of, candidate), (compatible, fit.rewriter)}


def test_only_the_candidate_of_it_is_proposed_and_its_rewriter_never_is():
    failed = an_unpassed_upgrade()
    fit = finish(a_fit(failed, side="gallery"))

    assert Upgrade.objects.filter(candidate=fit.made).count() == 1
    assert not Upgrade.objects.filter(candidate=fit.rewriter).exists()
    with pytest.raises(ConflictError) as refused:
        propose(alias=failed.alias, candidate=fit.rewriter, actor=failed.created_by)

    assert refused.value.code == "only_rewrites"
    entry = LedgerEntry.objects.get(action="upgrade.adapter_fitted")
    assert (entry.body["side"], entry.body["rewriter"]) == ("gallery", str(fit.rewriter))


def test_it_rewrites_for_this_candidate_and_this_incumbent_alone():
    failed = an_unpassed_upgrade()
    fit = finish(a_fit(failed, side="gallery"))
    candidate, incumbent = failed.candidate, failed.alias.version

    assert rewriter(fit.made, incumbent) == fit.rewriter
    assert rewriter(fit.made, candidate) is None
    assert rewriter(candidate, incumbent) is None
    assert rewriter(incumbent, fit.made) is None


@pytest.mark.parametrize("mark", [{"rewritten": {"of": "a", "by": "b"}}, {"rewrites": "a" * 64}])
def test_nobody_uploads_such_a_mark(mark):
    version = an_unpassed_upgrade().candidate

    with pytest.raises(InvalidInputError) as refused:
        register_version(
            model_name=version.model.name,
            manifest=version.manifest | mark,
            actor=version.created_by,
            artifact=make.an_artifact(),
        )

    assert refused.value.code == "invalid_manifest"


def test_what_a_repair_made_is_not_repaired_again():
    failed = an_unpassed_upgrade()
    fit = finish(a_fit(failed, side="gallery"))
    again = Upgrade.objects.get(candidate=fit.made)

    with pytest.raises(ConflictError) as refused:
        a_fit(again, side="query")

    assert refused.value.code == "already_repaired"
    assert not may_be_repaired(again)


def test_versions_that_are_searched_by_other_distances_are_refused():
    failed = an_unpassed_upgrade()
    output = failed.candidate.manifest["output"] | {"distance": "euclidean"}
    ModelVersion.objects.filter(pk=failed.candidate_id).update(
        manifest=failed.candidate.manifest | {"output": output}
    )

    with pytest.raises(InvalidInputError) as refused:
        a_fit(failed, side="gallery")

    assert refused.value.code == "distances_differ"
