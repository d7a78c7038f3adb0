from dataclasses import dataclass, field

# Callers choose the keys, so without a limit they could fill the memory.
MAX_ANSWERS = 10_000

Key = tuple[str, ...]
Answer = dict[str, object]


@dataclass(slots=True)
class AnswerCache:
    """An authorizer's answers by the caller's identity.

    Each answer is valid for `seconds`; 0 means that no answer is kept.
    """

    seconds: float
    _answers: dict[Key, tuple[float, Answer]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self._answers)

    def get(self, key: Key, now: float) -> Answer | None:
        until, answer = self._answers.get(key, (0.0, None))
        return answer if now < until else None

    def put(self, key: Key, now: float, answer: Answer) -> None:
        if self.seconds:
            if len(self._answers) >= MAX_ANSWERS:
                self._forget_old(now)
            self._answers[key] = (now + self.seconds, answer)

    def _forget_old(self, now: float) -> None:
        fresh = {key: kept for key, kept in self._answers.items() if now < kept[0]}
        self._answers = fresh if len(fresh) < MAX_ANSWERS else {}
