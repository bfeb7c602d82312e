# results.json and the cases -> a line for each result of ours that is not as its case says
($cases[0] | map({(.name): .}) | add) as $cases
| .vmcast[]? as $r | $cases[$r.fault] as $c
| if $r.outcome == "WRONG" then "\($r.fault): WRONG"
  elif $r.outcome != $c.outcome then "\($r.fault): \($r.outcome), not \($c.outcome)"
  elif ($r.message | test($c.message) | not) then "\($r.fault): the message has no '\($c.message)'"
  else empty end
| . + " (exit \($r.exit // "-"), boots: \($r.bootable), \($r.message))"
