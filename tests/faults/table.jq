# results.json and the cases -> two tables in Markdown: each case with what vmcast-boot made of it, and how each tool did
($cases[0] | map({(.name): .}) | add) as $cases
| def cell: gsub("\\|"; "\\|") | gsub("<"; "&lt;");
  def mark: if . == "WRONG" then "**WRONG**" else . end;
  . as $results
| "| fault | what happens | format | outcome | exit | message | boots |",
  "|---|---|---|---|---|---|---|",
  (.vmcast[]? | "| \(.fault) | \($cases[.fault].what | cell) | \(.format) | \(.outcome | mark) | \(.exit // "-") | \(.message | cell) | \(.bootable) |"),
  "",
  "| tool | right | refused | WRONG | of these: success reported | of these: failed, and something else boots | hangs |",
  "|---|---|---|---|---|---|---|",
  (to_entries[] | .key as $tool | .value
   | "| \($tool) | \(map(select(.outcome == "right")) | length) | \(map(select(.outcome == "refused")) | length) | \(map(select(.outcome == "WRONG")) | length)"
     + " | \(map(select(.outcome == "WRONG" and .exit == 0)) | length) | \(map(select(.outcome == "WRONG" and .exit != 0)) | length) | \(map(select(.exit == null)) | length) |"),
  "",
  (keys_unsorted as $tools
   | "| fault | \($tools | join(" | ")) |",
     "|---|\($tools | map("---|") | add)",
     ([.[][].fault] | unique[] as $fault
      | "| \($fault) | \([$tools[] as $tool | ($results[$tool] | map(select(.fault == $fault))[0] // null)
          | if . == null then "" elif .outcome == "WRONG" then (if .exit == 0 then "**WRONG, exit 0**" else "**WRONG**, exit \(.exit // "-")" end)
            else "\(.outcome)\(if .exit == null then ", hangs" else "" end)" end] | join(" | ")) |"))
