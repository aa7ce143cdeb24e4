-- Completes predict's answers: right after the `{` of a JSON object it adds the members given as the filter's argument
-- (deployedModelId and so on), streaming, with the length told before the body. Loaded by HAProxy, once per thread.

local Prediction = {}
Prediction.id = "prediction"
Prediction.flags = filter.FLT_CFG_FL_HTX
Prediction.__index = Prediction

function Prediction:new()
    return setmetatable({members = self.members}, Prediction)
end

-- Only successful JSON answers of :predict, in plain form, have the members added.
local function completes(txn, headers)
    local content_type = headers["content-type"]
    local encoding = headers["content-encoding"]
    return txn:get_var("txn.verb") == "predict" and txn.f:status() == 200
        and content_type ~= nil and content_type[0]:lower():find("^application/json") ~= nil
        and (encoding == nil or encoding[0]:lower() == "identity")
end

function Prediction:http_headers(txn, message)
    if not message.channel:is_resp() then
        return
    end
    local headers = message:get_headers()
    if not completes(txn, headers) then
        return
    end
    local length = headers["content-length"]
    if length ~= nil then
        if length[0] == "0" then
            return
        end
        message:set_header("content-length", tostring(math.tointeger(length[0]) + #self.members))
    end
    message:del_header("etag")
    self.open = true
    filter.register_data_filter(self, message.channel)
end

-- Called with each piece of the body; the members go in at the first byte that is not white space.
function Prediction:http_payload(txn, message)
    if not self.open then
        return
    end
    local body = message:body()
    if body == nil then
        return
    end
    local first = body:find("%S")
    if first == nil then
        return
    end
    self.open = false
    if body:sub(first, first) == "{" then
        local members = self.members
        if body:find("^%s*}", first + 1) then
            members = members:sub(1, -2) .. " "  -- an empty object: no comma, the same length
        end
        message:insert(members, first)
        return
    end
    -- Not an object: it stays as it is, with white space for the length that was told.
    message:insert(string.rep(" ", #self.members), 0)
end

core.register_filter("prediction", Prediction, function(class, arguments)
    class.members = arguments[1]
    return class
end)
