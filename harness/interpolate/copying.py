"""What a video has beside its pictures, copied into another as it is: sound, subtitles, chapters."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.video import opened

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

SOUND, SUBTITLES, CHAPTERS = "sound", "subtitles", "chapters"

_NAMES = {"audio": SOUND, "subtitle": SUBTITLES}
_ROOMY = "matroska"  # takes nearly all sound


def kinds(container: InputContainer) -> tuple[str, ...]:
    """What is there beside pictures, in words, each once."""
    chapters = [CHAPTERS] if container.chapters() else []
    streams = [_NAMES.get(stream.type, str(stream.type)) for stream in container.streams if stream.type != "video"]
    if chapters:  # in MP4 their titles are a stream of data, too
        streams = [kind for kind in streams if kind != "data"]
    return tuple(dict.fromkeys([*streams, *chapters]))


class Copied:
    """Packets of sound and subtitles of a source, in the order of time, on their way to streams of another container.

    starts  when these streams begin, in seconds
    mark    sets the chapters, all of them earlier by so many seconds; none that ends before these streams begin
    """

    def __init__(
        self,
        packets: Iterator[Packet[Any]],
        starts: Sequence[Fraction],
        mark: Callable[[Fraction], None],
    ) -> None:
        self._packets, self.starts, self.mark = packets, starts, mark
        self._next: Packet[Any] | None = next(packets, None)

    def until(self, moment: Fraction | None, shift: Fraction) -> Generator[Packet[Any], None, None]:
        """Those that begin before that moment of the source; all that are left for None. What they say of time is
        earlier by `shift` seconds."""
        while (packet := self._next) is not None:
            at = (packet.dts or 0) * packet.time_base
            if moment is not None and at > moment:
                return
            back = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - back
            packet.dts = None if packet.dts is None else packet.dts - back
            yield packet
            self._next = next(self._packets, None)


@contextmanager
def copied(source: Path | None, container: OutputContainer, note: Callable[[str], None]) -> Iterator[Copied]:
    """Streams for all that goes into a `container` of which nothing is written yet; what does not is noted, once."""
    if source is None:
        yield Copied(iter(()), (), lambda shift: None)
        return
    with opened(source) as given:
        taken: dict[int, Any] = {}
        left_out = [kind for kind in kinds(given) if kind not in (SOUND, SUBTITLES, CHAPTERS)]
        for stream in (*given.streams.audio, *given.streams.subtitles):
            codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
            if not _goes_into(container.format.name, stream):
                left_out.append(f"{_NAMES[stream.type]} ({codec}), which {container.format.name} files do not take")
                if container.format.name != _ROOMY and stream.type == "audio" and _goes_into(_ROOMY, stream):
                    left_out[-1] += "; .mkv does"
                continue
            taken[stream.index] = container.add_stream_from_template(stream)
            if language := stream.metadata.get("language"):
                taken[stream.index].metadata["language"] = language
        for line in dict.fromkeys(left_out):
            note(f"left out: {line}")
        starts = [
            stream.start_time * stream.time_base
            for stream in given.streams
            if stream.index in taken and stream.start_time is not None and stream.time_base
        ]

        def mark(shift: Fraction) -> None:
            chapters = given.chapters()
            for chapter in chapters:
                back = round(shift / (chapter["time_base"] or 1))
                chapter["start"], chapter["end"] = max(0, chapter["start"] - back), chapter["end"] - back
            container.set_chapters([chapter for chapter in chapters if chapter["end"] > 0])

        yield Copied(_packets(given, taken), starts, mark)


def _goes_into(form: str, stream: Any) -> bool:
    """Whether files of that format take it: some say no, as .mov does to Opus, when they begin to be written."""
    import av

    with av.open(BytesIO(), "w", format=form) as trial:
        try:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
        except (av.FFmpegError, ValueError, AttributeError):
            return False
    return True


def _packets(given: InputContainer, taken: dict[int, Any]) -> Iterator[Packet[Any]]:
    if not taken:
        return
    for packet in given.demux([stream for stream in given.streams if stream.index in taken]):
        if packet.dts is not None:
            packet.stream = taken[packet.stream.index]
            yield packet
