-- Completes predict's answers: right after the `{` of a JSON object it adds the members given as the filter's argument
-- (deployedModelId and so on), streaming, with the length told before the body. Of a request that is logged
-- (txn.log) it keeps the answer's body, as the model gave it, for the log. Loaded by HAProxy, once per thread.

local Prediction = {}
Prediction.id = "prediction"
Prediction.flags = filter.FLT_CFG_FL_HTX
Prediction.__index = Prediction

function Prediction:new()
    return setmetatable({members = self.members, largest = self.largest}, Prediction)
end

local function is_plain(headers)
    local encoding = headers["content-encoding"]
    return encoding == nil or encoding[0]:lower() == "identity"
end

-- Only successful JSON answers of :predict, in plain form, have the members added.
local function completes(txn, headers)
    local content_type = headers["content-type"]
    return txn:get_var("txn.verb") == "predict" and txn.f:status() == 200
        and content_type ~= nil and content_type[0]:lower():find("^application/json") ~= nil
        and is_plain(headers)
end

function Prediction:http_headers(txn, message)
    if not message.channel:is_resp() then
        return
    end
    local headers = message:get_headers()
    self.open = completes(txn, headers) and self:announce(message, headers["content-length"])
    if txn:get_var("txn.log") ~= nil and is_plain(headers) then
        self.kept, self.size = {}, 0
    end
    if self.open or self.kept then
        filter.register_data_filter(self, message.channel)
    end
end

-- Tells the length with the members; whether there is a body that they can go into.
function Prediction:announce(message, length)
    if length ~= nil then
        if length[0] == "0" then
            return false
        end
        message:set_header("content-length", tostring(math.tointeger(length[0]) + #self.members))
    end
    message:del_header("etag")
    return true
end

-- Called with each piece of the body.
function Prediction:http_payload(txn, message)
    local body = (self.open or self.kept) and message:body()
    if not body then
        return
    end
    if self.kept then
        self:keep(body)
    end
    if self.open then
        self:complete(message, body)
    end
end

-- A body that is too large for the log is forgotten.
function Prediction:keep(body)
    self.size = self.size + #body
    if self.size > self.largest then
        self.kept = nil
    else
        table.insert(self.kept, body)
    end
end

-- At the answer's end, and only then: one that was cut off is not logged as if it were whole.
function Prediction:http_end(txn, message)
    if self.kept and message.channel:is_resp() then
        txn:set_var("txn.answered", table.concat(self.kept))
    end
end

-- The members go in at the first byte that is not white space.
function Prediction:complete(message, body)
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
    class.members, class.largest = arguments[1], tonumber(arguments[2])
    return class
end)
