"""The forty executions of the demo: a month of three offices, up to this minute."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from combine.demo_data import stories as s
from combine.demo_data.stories import Story, at_gate

_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)

_PRODUCTS = (
    Story(
        subject="lantern",
        by="marta",
        days=20,
        hour=8.4,
        asks=True,
        budget=Decimal(10),
        mishaps={"architecture": (s.OVERLOADED,), "implementation_plan": (s.GOOD, s.INVALID)},
        acts={
            "epic_backlog": (
                at_gate(
                    s.REQUEST_CHANGES,
                    comment="The desk has to come first; nothing else can be true before it.",
                    comments=(
                        ("/epics/0/description", "Say what happens to the cards on the day of the change."),
                        ("/epics/2/priority", "Is this really less than a must? Members ask for nothing else."),
                    ),
                ),
                at_gate(
                    s.REQUEST_CHANGES,
                    comment="Nearly. One thing is still too vague to be planned.",
                    comments=(("/sequencing", "Which Thursday? The trustees want to be there."),),
                ),
                at_gate(s.ACCEPT, comment="Good. This can be planned."),
            )
        },
    ),
    Story(
        subject="kiln",
        by="marta",
        days=17,
        hour=9.2,
        asks=True,
        budget=Decimal(8),
        mishaps={"story_backlog": (s.INVALID, s.PROSE)},
    ),
    Story(
        subject="harbour",
        by="marta",
        days=14,
        hour=13.1,
        asks=True,
        acts={
            "epic_backlog": (
                at_gate(s.CANCEL, comment="The trustees have put it off until the spring; the brief will change."),
            )
        },
    ),
    Story(
        subject="harbour",
        by="marta",
        days=12,
        hour=8.2,
        mishaps={"epic_architecture": (s.BROKEN_OFF,), "story_backlog": (s.WORKER_LOST,)},
        acts={
            "architecture": (
                at_gate(
                    s.REQUEST_CHANGES,
                    comment="Too much for two developers: leave out what the first season does not need.",
                ),
            ),
        },
    ),
    Story(
        subject="lantern",
        by="marta",
        days=9,
        hour=8.8,
        budget=Decimal("0.70"),
        retry=at_gate(s.RETRY, comment="The budget was meant for a smaller scope.", minutes=42),
        retry_budget=Decimal(6),
    ),
    Story(
        subject="kiln",
        by="marta",
        days=6,
        hour=10.3,
        acts={
            "architecture": (
                at_gate(
                    s.REJECT,
                    comment="This keeps personal data of members for six years. The trustees will not carry that,"
                    " whatever it makes easier. Start again from the list of what we are allowed to keep.",
                ),
            )
        },
    ),
    Story(
        subject="lantern",
        by="marta",
        days=4,
        hour=8.3,
        acts={
            "epic_backlog": (
                at_gate(
                    s.EDIT,
                    comment="Only the wording: this is what we call it at the desk.",
                    comments=(("/epics/0/title", "Hand over and take back at the desk"),),
                ),
            )
        },
    ),
    Story(
        subject="harbour",
        by="marta",
        days=1,
        hour=9.1,
        asks=True,
        mishaps={"epic_architecture": (s.RATE_LIMITED,)},
        acts={
            "story_backlog": (
                at_gate(s.HAND_ON, by="marta", to="tomas", minutes=20, comment="Yours, you know the desk best."),
                at_gate(s.NOBODY),
                at_gate(s.NOBODY),
            )
        },
    ),
    Story(subject="lantern", by="marta", ago=2 * _HOUR, asks=True, acts={"discovery": (at_gate(s.NOBODY),)}),
    Story(subject="kiln", by="marta", ago=4 * _MINUTE, mishaps={"discovery": (s.LONG_PAUSE,)}),
)

_STRATEGIES = (
    Story(subject="valleys", by="oskar", days=21, hour=9.5, asks=True),
    Story(subject="shore", by="marta", days=18, hour=14.2, asks=True, mishaps={"architecture": (s.CUT_SHORT,)}),
    Story(
        subject="weir",
        by="marta",
        days=16,
        hour=11.4,
        mishaps={"requirements": (s.INVALID, s.PROSE, s.INVALID)},
    ),
    Story(subject="weir", by="marta", days=15, hour=9.3, asks=True),
    Story(
        subject="valleys",
        by="marta",
        days=11,
        hour=10.6,
        mishaps={"architecture": (s.OVERLOADED, s.OVERLOADED), "review": (s.INVALID,)},
    ),
    Story(subject="shore", by="marta", days=10, hour=15.4, mishaps={"architecture": (s.CANCELLED,)}),
    Story(
        subject="valleys",
        by="marta",
        days=5,
        hour=9.7,
        mishaps={"architecture": (s.OUT_OF_MONEY,)},
        retry=at_gate(s.RETRY, comment="The balance was topped up.", minutes=95),
    ),
    Story(subject="weir", by="marta", days=2, hour=9.2, asks=True),
    Story(subject="valleys", by="marta", ago=35 * _MINUTE, asks=True, acts={"discovery": (at_gate(s.NOBODY),)}),
    Story(subject="shore", by="marta", ago=timedelta(seconds=20), is_untouched=True),
)

_NOTICES = (
    Story(
        subject="eau-tanneurs",
        by="amelie",
        days=19,
        hour=8.6,
        asks=True,
        acts={
            "notice": (
                at_gate(
                    s.REQUEST_CHANGES,
                    by="ines",
                    comment="Personne ne lit cela jusqu’au bout. Dites d’abord quand l’eau est coupée, et à qui.",
                    comments=(
                        ("/title", "Le jour et les heures doivent être dans le titre."),
                        ("/paragraphs/1", "« Turbidité » : dites « trouble »."),
                    ),
                ),
                at_gate(
                    s.REQUEST_CHANGES,
                    by="ines",
                    comment="Beaucoup mieux. Il manque les personnes qui ne peuvent pas porter d’eau.",
                    comments=(("/paragraphs", "Ajoutez l’apport d’eau à domicile, avec le délai pour appeler."),),
                ),
                at_gate(s.ACCEPT, by="ines", comment="Parfait, à imprimer."),
            )
        },
    ),
    Story(subject="marche", by="amelie", days=18, hour=9.4),
    Story(
        subject="maktaba",
        by="youssef",
        days=16,
        hour=8.7,
        acts={
            "notice": (
                at_gate(
                    s.REQUEST_CHANGES,
                    by="amelie",
                    comment="لا يُذكر أن الدخول مجاني، ولا كيف يصل إلى القاعة من لا يستطيع صعود الدرج.",
                    comments=(("/lead", "أضيفوا أن الدخول مجاني."), ("/paragraphs/0", "هل يوجد مصعد؟")),
                ),
                at_gate(
                    s.REQUEST_CHANGES,
                    by="amelie",
                    comment="العنوان يجب أن يقول إنها مجانية.",
                    comments=(("/title", "أضيفوا «مجانية»."),),
                ),
                at_gate(s.ACCEPT, by="amelie"),
            )
        },
    ),
    Story(subject="collecte", by="amelie", days=15, hour=13.6),
    Story(subject="ferry", by="amelie", days=14, hour=9.9, mishaps={"notice": (s.PROSE,)}),
    Story(subject="school-street", by="youssef", days=13, hour=10.2),
    Story(subject="talqih", by="youssef", days=12, hour=9.1),
    Story(
        subject="mediatheque",
        by="amelie",
        days=11,
        hour=14.4,
        acts={
            "notice": (
                at_gate(
                    s.REJECT,
                    comment="On ne comprend pas ce qui change, ni à partir de quand. À reprendre depuis le début.",
                ),
                at_gate(s.ACCEPT, comment="Clair, merci."),
            )
        },
        retry=at_gate(s.RETRY, comment="Repartir des faits, avec la date du premier dimanche.", minutes=50),
    ),
    Story(subject="polling", by="youssef", days=10, hour=8.5, mishaps={"facts": (s.OVERLOADED,)}),
    Story(
        subject="marche",
        by="amelie",
        days=9,
        hour=11.2,
        acts={"notice": (at_gate(s.CANCEL, comment="Le chantier commence plus tard ; les dates changent."),)},
    ),
    Story(subject="ferry", by="amelie", days=8, hour=9.6),
    Story(subject="pont-lavoir", by="amelie", days=7, hour=15.1),
    Story(subject="talqih", by="youssef", days=6, hour=9.4, mishaps={"translation": (s.REFUSED,)}),
    Story(subject="school-street", by="youssef", days=5, hour=13.7, mishaps={"translation": (s.INVALID,)}),
    Story(subject="eau-tanneurs", by="amelie", days=4, hour=9.2),
    Story(subject="mediatheque", by="amelie", days=3, hour=10.5),
    Story(subject="ferry", by="amelie", days=2, hour=11.3),
    Story(subject="marche", by="amelie", days=1, hour=8.3, acts={"notice": (at_gate(s.NOBODY),)}),
    Story(
        subject="pont-lavoir",
        by="amelie",
        ago=6 * _HOUR,
        acts={
            "notice": (
                at_gate(
                    s.REQUEST_CHANGES,
                    by="ines",
                    minutes=25,
                    comment="« Désordre structurel » fait peur sans rien expliquer. Dites ce qui est fermé, et à qui.",
                    comments=(("/title", "Le tonnage doit être dans le titre."),),
                ),
                at_gate(s.NOBODY),
            )
        },
    ),
    Story(subject="maktaba-exams", by="youssef", ago=50 * _MINUTE, acts={"notice": (at_gate(s.NOBODY),)}),
)

MONTH = (*_PRODUCTS, *_STRATEGIES, *_NOTICES)
