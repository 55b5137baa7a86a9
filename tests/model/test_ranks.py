"""Several programs under mpirun: the result of one program with the whole batch."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from model.corpus import Corpus, write_songs
from model.errors import TrainingError
from model.ranks import Alone, ranks_of_this_run

ROOT = Path(__file__).parents[2]
MPIEXEC = Path(sys.executable).parent / "mpiexec"
OPTIONS = """--tokenizer char --embedding 8 --hidden 16 --layers 2 --batch 6 --steps 32 --epochs 0.3
    --dropout 0.2 --recurrent-dropout 0.2 --averaging exponential --evaluations 2 --processes 1"""


def train(launcher: Sequence[str], songs: Path, out: Path) -> dict[str, np.ndarray]:
    """Every array of the last checkpoint of a short run."""
    command = [*launcher, sys.executable, "-m", "model", "train", str(songs), "--out", str(out)]
    done = subprocess.run(
        [*command, *OPTIONS.split()], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bits per character") == 1
    return dict(safetensors.numpy.load_file(out / "last.safetensors"))


@pytest.mark.skipif(not MPIEXEC.exists(), reason="there is no MPI for this system")
def test_two_ranks_end_in_the_weights_of_one_program_but_for_rounding(
    small_corpus: Corpus, tmp_path: Path
) -> None:
    songs = tmp_path / "songs.txt"
    write_songs([*small_corpus.part("train")[:12], *small_corpus.part("validation")[:2]], songs)
    alone = train([], songs, tmp_path / "alone")
    ranks = train([str(MPIEXEC), "-n", "2"], songs, tmp_path / "ranks")
    assert ranks.keys() == alone.keys()
    for name in ("parameters", "average", "state"):
        assert ranks[name].shape == alone[name].shape
        np.testing.assert_allclose(ranks[name], alone[name], atol=5e-4, err_msg=name)
    files = {path.name for path in (tmp_path / "alone").iterdir()}
    assert {path.name for path in (tmp_path / "ranks").iterdir()} == files


def test_without_mpirun_there_is_one_rank() -> None:
    ranks = ranks_of_this_run()
    assert isinstance(ranks, Alone)
    assert (ranks.rank, ranks.size) == (0, 1)


def test_under_mpirun_without_mpi4py_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(TrainingError, match="pip install mpi4py"):
        ranks_of_this_run()
