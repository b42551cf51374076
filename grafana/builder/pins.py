"""The pins of one client: those of a time range, the best of them, and their marks on charts."""

from grafana_foundation_sdk.builders import table as tables

from grafana.builder.links import PUBLISHING, Link, to
from grafana.builder.panels import SHARE, TIME, About, Column, rows
from grafana.builder.query import table
from grafana.builder.variables import CHOSEN_PROFILES, CHOSEN_PROFILES_AS_P

TO_PUBLISHING = to(PUBLISHING, "Its pins", client="${client:percentencode}")

# The text is HTML, from which Grafana removes scripts; a name must not look like a tag.
PIN_MARKS = f"""
    SELECT
        n.published_at AS time,
        format(
            '<a href="%s" target="_blank" rel="noopener">%s</a>',
            replace(n.pin_url, '"', '%22'),
            replace(replace(n.client_ref, '&', '&amp;'), '<', '&lt;')
        ) AS text,
        p.name AS tags
    FROM pin n
    JOIN profile p ON p.id = n.profile_id
    WHERE {CHOSEN_PROFILES_AS_P}
      AND n.state = 'published'
      AND $__timeFilter(n.published_at)
    ORDER BY time DESC
    LIMIT 200
"""


def pins() -> tables.Panel:
    about = About(
        "Pins",
        "The pins that were to be published in the time range, the newest first.",
        "one is failed or unknown.",
        "No pin in this time range",
    )
    query = f"""
        SELECT
            p.name AS "Profile",
            n.client_ref AS "Pin",
            n.state AS "State",
            n.publish_at AS "Due",
            n.published_at AS "Published",
            n.pin_url AS "Link"
        FROM pin n
        JOIN profile p ON p.id = n.profile_id
        WHERE {CHOSEN_PROFILES_AS_P}
          AND $__timeFilter(n.publish_at)
        ORDER BY n.publish_at DESC, n.id DESC
        LIMIT 100
    """
    looks = [
        Column("State", states=True, width=110),
        Column("Due", unit=TIME, width=150),
        Column("Published", unit=TIME, width=150),
        Column("Link", link=Link("Open the pin at Pinterest", "${__value.raw}", new_tab=True)),
    ]
    return rows(about, table(query), looks, size=(12, 9), link=TO_PUBLISHING)


def top_pins() -> tables.Panel:
    about = About(
        "Best pins",
        "The pins published in the time range with the most engagements: saves, pin clicks and outbound clicks, as totals since each went out. "
        "Pins are followed for 90 days: those that the collector published and, with COLLECTOR_NATIVE_PINS, those of the account that were not made here, which are marked. The first week tells how young pins compare with old ones.",
        "never by itself: it shows what is worth repeating.",
        "No pin of this time range has results yet: they come one to three days after it went out",
    )
    query = f"""
        SELECT
            c.profile AS "Profile",
            c.client_ref || CASE WHEN c.native THEN ' (not made here)' ELSE '' END AS "Pin",
            c.published_at AS "Published",
            c.engagement AS "Engagement",
            c.week_engagement AS "First week",
            c.impression AS "Impressions",
            c.engagement_rate AS "Rate",
            c.save AS "Saves",
            c.pin_click AS "Pin clicks",
            c.outbound_click AS "Outbound clicks",
            c.pin_url AS "Link"
        FROM top_pin c
        WHERE {CHOSEN_PROFILES}
          AND $__timeFilter(c.published_at)
          AND c.engagement IS NOT NULL
        ORDER BY c.engagement DESC, c.pin_id DESC
        LIMIT 20
    """
    looks = [
        Column("Published", unit=TIME, width=150),
        Column("Rate", unit=SHARE, decimals=1, width=90),
        Column("Link", link=Link("Open the pin at Pinterest", "${__value.raw}", new_tab=True)),
    ]
    return rows(about, table(query), looks, size=(24, 8), link=TO_PUBLISHING)
