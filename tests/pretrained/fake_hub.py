"""A stand-in for the package huggingface_hub, which serves local folders."""

import fnmatch
import shutil
import sys
import types

NAMES = (
    *("HfHubHTTPError", "HFValidationError", "EntryNotFoundError", "RevisionNotFoundError"),
    *("RepositoryNotFoundError",),
)
COMMIT = "0123abcd"


def _errors():
    module = types.ModuleType("huggingface_hub.errors")
    for name in NAMES:
        setattr(module, name, type(name, (Exception,), {}))
    module.GatedRepoError = type("GatedRepoError", (module.RepositoryNotFoundError,), {})
    kinds = (module.EntryNotFoundError, FileNotFoundError)
    module.LocalEntryNotFoundError = type("LocalEntryNotFoundError", kinds, {})
    return module


class FakeHub:
    """Repositories by name, each a folder.

    Attributes:
        fetched: files that were asked for, with the revision.
        online: whether there is a network.
    """

    def __init__(self, cache):
        self.cache, self.repositories, self.fetched = cache, {}, []
        self.online, self.gated = True, set()
        self.errors = _errors()

    def snapshot_download(self, repo_id, *, revision=None, allow_patterns):
        """Copies the files that match, as the hub's client does."""
        remote = self._remote(repo_id, revision)
        for path in remote.iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
                self._copy(repo_id, path, revision)
        return str(self._folder(repo_id))

    def hf_hub_download(self, repo_id, filename, *, revision=None):
        """Copies one file."""
        path = self._remote(repo_id, revision) / filename
        if not path.exists():
            raise self.errors.EntryNotFoundError("404")
        return str(self._copy(repo_id, path, revision))

    def _remote(self, repo_id, revision):
        if not self.online:
            raise self.errors.LocalEntryNotFoundError("no connection\nat all")
        if repo_id in self.gated:
            raise self.errors.GatedRepoError("403")
        if repo_id not in self.repositories:
            raise self.errors.RepositoryNotFoundError("401")
        if revision not in (None, "main", COMMIT):
            raise self.errors.RevisionNotFoundError("404")
        return self.repositories[repo_id]

    def _folder(self, repo_id):
        name = f"models--{repo_id.replace('/', '--')}"
        folder = self.cache / name / "snapshots" / COMMIT
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _copy(self, repo_id, path, revision):
        self.fetched.append((path.name, revision))
        return shutil.copy(path, self._folder(repo_id))


def install(monkeypatch, cache):
    """Takes the place of huggingface_hub for one test."""
    hub = FakeHub(cache)
    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = hub.snapshot_download
    module.hf_hub_download = hub.hf_hub_download
    module.errors = hub.errors
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    return hub
