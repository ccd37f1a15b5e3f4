// Leases of services (ADR 33).

import { z } from "zod";
import { duration, name, named, sentence, text, time, whole } from "./schema.ts";

