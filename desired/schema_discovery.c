/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_discovery.c - kind Discovery.
 */
#include "desired/bind.h"
#include "desired/tables.h"

static void check_schedule(struct bind *b, void *obj, const struct seen *seen)
{
	struct schedule_spec *s = obj;
	struct err err = { 0 };
	char text[512];

	if (s->cron.s != NULL && window_parse_cron(s->cron.s, &s->window, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		bind_report(b, seen_pos(seen, "cron"), "five fields: minute hour day month weekday",
		            "cron: %s", text);
	}
	s->window.duration_s = 60;
	s->window.timezone = s->timezone.s;
}

static const struct field table_schedule_fields[] = {
	ROW("cron", TEXT, AT(schedule_spec, cron), .flags = FIELD_REQUIRED, .max = 256, .min = 1,
	    .doc = "When it begins: minute, hour, day, month, weekday."),
	ROW("timezone", TEXT, AT(schedule_spec, timezone), .format = FORMAT_TIMEZONE,
	    .dflt_text = "UTC", .doc = "IANA name, such as Europe/Berlin."),
};
static TABLE(table_schedule, schedule_spec, "schedule", "When `run` scans.",
             .check = check_schedule);

static const struct field table_discovery_fields[] = {
	ROW("ranges", TEXTS, AT(discovery_def, ranges), .flags = FIELD_REQUIRED, .min = 1,
	    .doc = "Networks (10.1.0.0/24), addresses, host ranges (pdu[01-40].dc1.example), each "
	           "with :PORT if one is meant, or @FILE in the repository with one a line."),
	ROW("ports", TEXTS, AT(discovery_def, ports), .min = 1, .dflt_text = "the usual ones",
	    .doc = "Ports and ranges of them: \"443\", \"8000-8010\"."),
	ROW("exclude", TEXTS, AT(discovery_def, exclude), .min = 1,
	    .doc = "Networks, addresses, host ranges or names (globs) to leave alone."),
	ROW("schedule", POINTER, AT_POINTER(discovery_def, schedule), .sub = &table_schedule,
	    .doc = "When `run` scans; without it only `discover Discovery/NAME` does."),
	ROW("rate", INT, AT(discovery_def, rate), .dflt = 100, .min = 1, .max = 100000,
	    .doc = "Endpoints looked at in a second."),
	ROW("caSetRef", REF, AT(discovery_def, ca_set), .ref = KIND_CASET,
	    .doc = "Judges chains; without it the system's anchors do."),
	COMMON_SPEC_FIELDS,
};
TABLE(table_discovery, discovery_def, "spec of Discovery",
      "What is out there: a scheduled scan for certificates.", .late = true,
      .check = spec_note_written);
