"""Every package that the lock installs has a licence that lets the program be used and passed on."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from mfer_core.cache.code import ROOT

PERMISSIVE = {
    *(
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "0BSD",
        "ISC",
        "Zlib",
        "Unlicense",
    ),
    *("PSF-2.0", "CNRI-Python", "CC0-1.0", "ZPL-2.1", "Artistic-1.0", "Apache-2.0 WITH LLVM-exception"),
}
# These ask for changes to the package itself to be passed on, and for nothing of who imports it.
BY_FILE_OR_LIBRARY = {
    "MPL-2.0",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "EPL-1.0",
    "EPL-2.0",
}
# As packages write them in classifiers and in the free field.
WORDS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-only",
    "Zope Public License": "ZPL-2.1",
    "Artistic License": "Artistic-1.0",
}
# What a package's own metadata do not say, or what is met although they say something else.
KNOWN = {
    "asyncssh": "EPL-2.0 OR GPL-2.0-or-later",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",  # names the libraries that torch asks for
    "grandalf": "GPL-2.0-only OR EPL-1.0",
    "huey": "MIT",
    "kaldiio": "LicenseRef-NTT-evaluation",
    "pygit2": "LicenseRef-GPL-2.0-with-linking-exception",
    "pympi-ling": "MIT",
    "praat-parselmouth": "LicenseRef-tests-only",  # GPL-3.0-or-later: only the tests import it
    "skops": "MIT",
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later",
    "tiktoken": "MIT",
    "umap-learn": "BSD-3-Clause",
}
ACCEPTED = {
    "LicenseRef-NVIDIA-Proprietary",  # may be passed on with a program that uses CUDA
    "LicenseRef-GPL-2.0-with-linking-exception",
    "LicenseRef-tests-only",
    "LicenseRef-NTT-evaluation",  # FunASR asks for it to read Kaldi's archives, which nothing here does
}
ALLOWED = PERMISSIVE | BY_FILE_OR_LIBRARY | ACCEPTED


def locked() -> list[Requirement]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    words = [line.removesuffix("\\").strip() for line in lines if line[:1].isalnum()]
    return [Requirement(word) for word in words]


def licence(package: Distribution) -> str:
    """The licence as an SPDX expression, as far as the package's metadata say it."""
    facts = package.metadata
    name = re.sub(r"[-_.]+", "-", facts["Name"]).lower()
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith("nvidia-"):
        return "LicenseRef-NVIDIA-Proprietary"
    if said := facts.get("License-Expression"):
        return said
    classifiers = [line for line in facts.get_all("Classifier") or [] if line.startswith("License :: ")]
    words = [line.rpartition(" :: ")[2] for line in classifiers]
    words = [word for word in words if word != "OSI Approved"] or [facts.get("License") or ""]
    return " OR ".join(WORDS.get(word, word) for word in words)


def is_allowed(expression: str) -> bool:
    """Whether one of the choices that an SPDX expression offers is made of allowed licences only."""
    choices = re.sub(r"[()]", "", expression).split(" OR ")
    return any(all(part.strip() in ALLOWED for part in choice.split(" AND ")) for choice in choices)


def test_every_locked_package_has_an_allowed_licence():
    refused, seen = {}, 0
    for requirement in locked():
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # The build for another machine is installed here.
        seen += 1
        if not is_allowed(expression := licence(package)):
            refused[requirement.name] = expression
    assert seen > 250
    assert refused == {}


@pytest.mark.parametrize(
    "expression", ["GPL-3.0-only", "", "MIT AND GPL-2.0-only", "Other/Proprietary License"]
)
def test_a_licence_that_is_not_listed_is_refused(expression):
    assert not is_allowed(expression)
